//! Build script of `murder`: builds the static agent with a cargo of its own, packs it with gzip,
//! and leaves it in `OUT_DIR` for `src/agents.rs` to embed.
//!
//! The nested cargo has a target folder of its own (one that shares the outer cargo's would wait
//! for its lock for ever) and none of the outer one's settings, so that flags meant for `murder`
//! (sanitizers, coverage, another `--target`) don't reach the agent.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use sha2::{Digest as _, Sha256};

fn main() -> ExitCode {
    for path in SOURCES {
        println!("cargo::rerun-if-changed={path}");
    }
    match build_and_embed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("the agent that `murder` carries can't be built: {message}");
            ExitCode::FAILURE
        }
    }
}

fn build_and_embed() -> Result<(), String> {
    let out_dir = PathBuf::from(required("OUT_DIR")?);
    let recipe = Recipe::for_this_build(&out_dir)?;
    let agent = recipe.build()?;
    let bytes = std::fs::read(&agent).map_err(|e| format!("{}: {e}", agent.display()))?;
    embed(&bytes, recipe.target.arch, &out_dir).map_err(|e| format!("{}: {e}", out_dir.display()))
}

/// How the agent is built.
struct Recipe {
    target: Target,
    profile: &'static str,
    target_dir: PathBuf,
}

impl Recipe {
    fn for_this_build(out_dir: &Path) -> Result<Self, String> {
        // OUT_DIR is TARGET_DIR/PROFILE/build/murder-HASH/out.
        let profile_dir = out_dir.ancestors().nth(3).ok_or("OUT_DIR is too short")?;
        let profile = if required("PROFILE")? == "release" { "agent" } else { "agent-dev" };
        let target = Target::choose(&required("HOST")?)?;
        Ok(Self { target, profile, target_dir: profile_dir.join("agent-build") })
    }

    /// Runs the nested cargo and returns where the executable is.
    fn build(&self) -> Result<PathBuf, String> {
        let mut cargo = Command::new(required("CARGO")?);
        cargo
            .current_dir(required("CARGO_MANIFEST_DIR")?)
            .args(["build", "--quiet", "--package", "murder-agent", "--bin", "murder-agent"])
            .args(["--profile", self.profile, "--target", &self.target.triple, "--target-dir"])
            .arg(&self.target_dir);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(belongs_to_the_outer_build) {
                cargo.env_remove(name);
            }
        }
        cargo.env("RUSTFLAGS", self.target.rustflags);
        let output = cargo.output().map_err(|e| format!("cargo can't be run: {e}"))?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            return Err(format!("cargo ended with {}\n{stderr}", output.status));
        }
        let mut path = self.target_dir.join(&self.target.triple);
        path.extend([self.profile, "murder-agent"]);
        Ok(path)
    }
}

/// What the agent is built for: Linux always, on the architecture of this machine.
struct Target {
    triple: String,
    arch: &'static str,
    rustflags: &'static str,
}

impl Target {
    fn choose(host: &str) -> Result<Self, String> {
        let arch = if host.starts_with("aarch64-") && host.contains("-linux") {
            "aarch64"
        } else {
            "x86_64"
        };
        let musl = format!("{arch}-unknown-linux-musl");
        if std_is_installed(&musl) {
            // Elsewhere than on Linux the system's linker knows nothing of ELF.
            let linker = if host.contains("-linux") { "" } else { "-Clinker=rust-lld" };
            return Ok(Self { triple: musl, arch, rustflags: linker });
        }
        let gnu = format!("{arch}-unknown-linux-gnu");
        if host == gnu {
            // Only together with `--target`: without it the flag reaches procedural macros too.
            return Ok(Self { triple: gnu, arch, rustflags: "-Ctarget-feature=+crt-static" });
        }
        Err(format!("Rust's standard library for it is missing: rustup target add {musl}"))
    }
}

fn std_is_installed(triple: &str) -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", triple])
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .output();
    let Ok(output) = output else { return false };
    let libdir = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success() && Path::new(&libdir).is_dir()
}

fn belongs_to_the_outer_build(name: &str) -> bool {
    let kept = KEPT.contains(&name) || KEPT_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    !kept && OUTER_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn embed(agent: &[u8], arch: &str, out_dir: &Path) -> std::io::Result<()> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(agent)?;
    std::fs::write(out_dir.join("agent.gz"), gzip.finish()?)?;
    let mut sha256 = String::new();
    for byte in Sha256::digest(agent) {
        // Writing to a String can't fail.
        let _ = write!(sha256, "{byte:02x}");
    }
    let constants = format!(
        "const EMBEDDED: Embedded = Embedded {{\n    arch: {arch:?},\n    bytes: {},\n    \
         sha256: {sha256:?},\n    gzip: include_bytes!(concat!(env!(\"OUT_DIR\"), \
         \"/agent.gz\")),\n}};\n",
        agent.len()
    );
    std::fs::write(out_dir.join("agent.rs"), constants)
}

fn required(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|e| format!("{name}: {e}"))
}

/// What the agent is made of; `agent/sim` is not.
const SOURCES: &[&str] = &[
    "agent/embed.rs",
    "agent/Cargo.toml",
    "agent/src",
    "agent/protocol/Cargo.toml",
    "agent/protocol/src",
    "agent/swarm/Cargo.toml",
    "agent/swarm/src",
    "Cargo.toml",
    "Cargo.lock",
];

/// Cargo hands its settings on through variables that begin like this.
const OUTER_PREFIXES: &[&str] = &["CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS", "CLIPPY_", "MIRI"];

/// `CARGO_MAKEFLAGS` is the job server: both cargos together keep to the outer one's `--jobs`.
const KEPT: &[&str] = &["CARGO_HOME", "CARGO_MAKEFLAGS"];

/// Where crates come from is a matter of the machine and not of the build.
const KEPT_PREFIXES: &[&str] =
    &["CARGO_REGISTR", "CARGO_SOURCE_", "CARGO_NET_", "CARGO_HTTP_", "CARGO_CREDENTIAL"];
