//! Build script of `murder`: builds the static agent with a cargo of its own, packs it, and leaves it
//! in `OUT_DIR` for `src/agents.rs` to embed.
//!
//! The nested cargo has a target folder of its own (one that shares the outer cargo's would wait
//! for its lock for ever) and none of the outer one's settings, so that flags meant for `murder`
//! (sanitizers, coverage, another `--target`) don't reach the agent.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use lzma_rust2::{FilterType, XzOptions, XzWriter};
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
    embed(&bytes, &recipe, &out_dir).map_err(|e| format!("{}: {e}", out_dir.display()))
}

/// How the agent is built.
struct Recipe {
    target: Target,
    profile: &'static str,
    target_dir: PathBuf,
    rustflags: Vec<String>,
}

impl Recipe {
    fn for_this_build(out_dir: &Path) -> Result<Self, String> {
        // OUT_DIR is TARGET_DIR/PROFILE/build/murder-HASH/out.
        let profile_dir = out_dir.ancestors().nth(3).ok_or("OUT_DIR is too short")?;
        let profile = if required("PROFILE")? == "release" { "agent" } else { "agent-dev" };
        let target = Target::choose(&required("HOST")?)?;
        let rustflags = target.rustflags.iter().map(|&flag| flag.to_owned()).collect();
        let target_dir = profile_dir.join("agent-build");
        let mut recipe = Self { target, profile, target_dir, rustflags };
        if recipe.profile == "agent" && recipe.target.triple.ends_with("-gnu") {
            recipe.slim_down(&out_dir.join("probe"))?;
        }
        Ok(recipe)
    }

    /// Adds what makes the agent smaller, as far as the linker here knows it.
    fn slim_down(&mut self, probe: &Path) -> Result<(), String> {
        let slim = slim(&required("CARGO_MANIFEST_DIR")?);
        let all = [self.rustflags.clone(), slim.concat()].concat();
        if self.empty_program_starts(&all, probe)? {
            self.rustflags = all;
            return Ok(());
        }
        for flags in slim {
            let more = [self.rustflags.clone(), flags].concat();
            if self.empty_program_starts(&more, probe)? {
                self.rustflags = more;
            }
        }
        Ok(())
    }

    /// Linkers learned their options one after another, and glibc to relocate itself by them, so
    /// the one sure answer is to link a program and to start it.
    fn empty_program_starts(&self, flags: &[String], folder: &Path) -> Result<bool, String> {
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))
        };
        let src = folder.join("src");
        std::fs::create_dir_all(&src).map_err(|e| format!("{}: {e}", src.display()))?;
        write("Cargo.toml", "[package]\nname = \"probe\"\nedition = \"2024\"\n[workspace]\n")?;
        write("src/main.rs", "fn main() {}\n")?;
        let target_dir = folder.join("target");
        let built = self
            .cargo(flags, &target_dir)?
            .arg("--manifest-path")
            .arg(folder.join("Cargo.toml"))
            .output()
            .map_err(|e| format!("cargo can't be run: {e}"))?;
        let program = target_dir.join(&self.target.triple).join("debug/probe");
        let starts = || Command::new(program).status().is_ok_and(|status| status.success());
        Ok(built.status.success() && starts())
    }

    /// Runs the nested cargo and returns where the executable is.
    fn build(&self) -> Result<PathBuf, String> {
        let output = self
            .cargo(&self.rustflags, &self.target_dir)?
            .args(["--package", "murder-agent", "--bin", "murder-agent"])
            .args(["--profile", self.profile])
            .output()
            .map_err(|e| format!("cargo can't be run: {e}"))?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            return Err(format!("cargo ended with {}\n{stderr}", output.status));
        }
        let mut path = self.target_dir.join(&self.target.triple);
        path.extend([self.profile, "murder-agent"]);
        Ok(path)
    }

    /// For hosts that have xz: as small as its format allows for a release, else quickly.
    fn xz(&self, agent: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut options = XzOptions::with_preset(if self.profile == "agent" { 9 } else { 1 });
        // In this code a byte tells more of the next one than where it stands does. 4 kB.
        (options.lzma_options.lc, options.lzma_options.pb) = (4, 0);
        if self.target.arch == "x86_64" {
            // Calls of one function from two places look the same then. 45 kB.
            options.prepend_pre_filter(FilterType::BcjX86, 0);
        }
        let mut xz = XzWriter::new(Vec::new(), options)?;
        xz.write_all(agent)?;
        xz.finish()
    }

    fn cargo(&self, flags: &[String], target_dir: &Path) -> Result<Command, String> {
        let mut cargo = Command::new(required("CARGO")?);
        cargo
            .current_dir(required("CARGO_MANIFEST_DIR")?)
            .args(["build", "--quiet", "--target", &self.target.triple, "--target-dir"])
            .arg(target_dir);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(belongs_to_the_outer_build) {
                cargo.env_remove(name);
            }
        }
        // Unlike RUSTFLAGS it bears spaces in a path.
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
        Ok(cargo)
    }
}

/// What the agent is built for: Linux always, on the architecture of this machine.
struct Target {
    triple: String,
    arch: &'static str,
    rustflags: &'static [&'static str],
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
            let rustflags: &[_] =
                if host.contains("-linux") { &[] } else { &["-Clinker=rust-lld"] };
            return Ok(Self { triple: musl, arch, rustflags });
        }
        let gnu = format!("{arch}-unknown-linux-gnu");
        if host == gnu {
            // Only together with `--target`: without it the flag reaches procedural macros too.
            return Ok(Self { triple: gnu, arch, rustflags: &["-Ctarget-feature=+crt-static"] });
        }
        Err(format!("Rust's standard library for it is missing: rustup target add {musl}"))
    }
}

/// What makes an agent with glibc in it smaller, in groups that a linker knows or doesn't. The
/// numbers are what the agent would have more without a group, of 1.09 MB with gzip -9.
///
/// Functions stay in the order of the compiler. Sorted by what they resemble
/// (`--bp-compression-sort`) they take 11 kB less by xz, but what is used together is far apart: the
/// peers of a swarm of 16 on one machine took an eighth more of its processor.
fn slim(manifest_dir: &str) -> Vec<Vec<String>> {
    let groups = [
        // `agent/src/slim.rs` defines functions that archives define too; the first one counts.
        // 139 kB.
        "--cfg=slim -Clink-arg=-Wl,-z,muldefs",
        // No tables to unwind the stack by. 117 kB.
        "-Clink-arg=-Xlinker -Clink-arg=--script=SCRIPT",
        // The addresses to adjust at the start as a bitmap (glibc 2.36 and later). 7 kB.
        "-Clink-arg=-Wl,-z,pack-relative-relocs",
        // One copy of strings that end alike. 1 kB.
        "-Clink-arg=-Wl,-O2",
    ];
    let script = format!("{manifest_dir}/agent/slim.ld");
    let flag = |flag: &str| flag.replace("SCRIPT", &script);
    groups.iter().map(|group| group.split(' ').map(flag).collect()).collect()
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

fn embed(agent: &[u8], recipe: &Recipe, out_dir: &Path) -> std::io::Result<()> {
    std::fs::write(out_dir.join("agent.xz"), recipe.xz(agent)?)?;
    std::fs::write(out_dir.join("agent.gz"), gzip(agent)?)?;
    let mut sha256 = String::new();
    for byte in Sha256::digest(agent) {
        // Writing to a String can't fail.
        let _ = write!(sha256, "{byte:02x}");
    }
    let constants = format!(
        "const EMBEDDED: Embedded = Embedded {{\n    arch: {:?},\n    bytes: {},\n    \
         sha256: {sha256:?},\n    \
         xz: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/agent.xz\")),\n    \
         gzip: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/agent.gz\")),\n}};\n",
        recipe.target.arch,
        agent.len()
    );
    std::fs::write(out_dir.join("agent.rs"), constants)
}

/// For hosts without xz.
fn gzip(agent: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(agent)?;
    gzip.finish()
}

fn required(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|e| format!("{name}: {e}"))
}

/// What the agent is made of; `agent/sim` is not.
const SOURCES: &[&str] = &[
    "agent/embed.rs",
    "agent/slim.ld",
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
