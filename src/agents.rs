//! Which agent fits a host: the embedded one, or a file in the folder of agents.
//!
//! An agent for a further target is found by its name: `murder-agent-linux-ARCH`, or the same
//! with `.gz`, in `$MURDER_AGENTS`, else in `~/.local/share/murder/agents`. ARCH is what
//! `uname -m` says there. A file for the embedded agent's architecture comes before it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use murder_protocol::{Blame, Failure};
use sha2::{Digest as _, Sha256};

include!(concat!(env!("OUT_DIR"), "/agent.rs"));

/// The agent that this program carries.
struct Embedded {
    /// As `uname -m` has it.
    arch: &'static str,
    /// Bytes when unpacked.
    bytes: u64,
    /// Of the unpacked bytes, in hex.
    sha256: &'static str,
    xz: &'static [u8],
    gzip: &'static [u8],
}

/// One agent, ready to be pushed.
#[derive(Clone, Debug)]
pub struct Agent {
    /// SHA-256 of the executable, in hex.
    pub sha256: Cow<'static, str>,
    /// Bytes of the executable.
    pub bytes: u64,
    /// The executable, packed with xz. The embedded agent has it.
    pub xz: Option<&'static [u8]>,
    /// The executable, packed with gzip.
    pub gzip: Cow<'static, [u8]>,
}

impl Agent {
    /// The executable itself, for a host that has neither.
    pub fn unpacked(&self) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(&*self.gzip).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// The embedded agent's target, content and size, for `murder --version`.
pub fn embedded_name() -> String {
    let Embedded { arch, sha256, xz, gzip, .. } = EMBEDDED;
    format!("linux-{arch} sha256:{sha256} {} bytes by xz, {} by gzip", xz.len(), gzip.len())
}

/// Every agent that this machine has. Each is read once.
#[derive(Debug)]
pub struct Agents {
    folder: Option<PathBuf>,
    found: Mutex<BTreeMap<String, Result<Arc<Agent>, Failure>>>,
}

impl Agents {
    /// With the folder that the environment names.
    pub fn of_environment() -> Self {
        let given = std::env::var_os("MURDER_AGENTS").filter(|path| !path.is_empty());
        let data = || {
            let home = std::env::home_dir()?;
            Some(home.join(".local/share/murder/agents"))
        };
        Self::in_folder(given.map(PathBuf::from).or_else(data))
    }

    /// With this one.
    pub fn in_folder(folder: Option<PathBuf>) -> Self {
        Self { folder, found: Mutex::default() }
    }

    /// The agent for a host of which `uname -sm` says this.
    pub fn for_machine(&self, uname: &str) -> Result<Arc<Agent>, Failure> {
        let arch = arch_of(uname)?;
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.entry(arch.to_owned()).or_insert_with(|| self.look_for(arch).map(Arc::new)).clone()
    }

    fn look_for(&self, arch: &str) -> Result<Agent, Failure> {
        let name = format!("murder-agent-linux-{arch}");
        let Some(folder) = &self.folder else { return embedded(arch, Path::new(&name)) };
        let path = folder.join(&name);
        for path in [path.clone(), folder.join(format!("{name}.gz"))] {
            if path.exists() {
                return read(&path);
            }
        }
        embedded(arch, &path)
    }
}

fn arch_of(uname: &str) -> Result<&str, Failure> {
    let refused = |message| {
        Err(Failure::new(Blame::Operator, message)
            .hint("take the host out of the inventory, agents run on Linux"))
    };
    match uname.split_whitespace().collect::<Vec<_>>()[..] {
        ["Linux", "amd64"] => Ok("x86_64"),
        ["Linux", "arm64"] => Ok("aarch64"),
        ["Linux", arch] if arch.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => Ok(arch),
        _ => refused(format!("no agent runs on this system: `uname -sm` says {uname:?}")),
    }
}

fn embedded(arch: &str, place: &Path) -> Result<Agent, Failure> {
    if arch != EMBEDDED.arch {
        let message = format!("there is no agent for Linux on {arch}");
        let hint = format!("build one for it, and put it at {} (or .gz)", place.display());
        return Err(Failure::new(Blame::Operator, message).hint(hint));
    }
    Ok(Agent {
        sha256: EMBEDDED.sha256.into(),
        bytes: EMBEDDED.bytes,
        xz: Some(EMBEDDED.xz),
        gzip: Cow::Borrowed(EMBEDDED.gzip),
    })
}

fn read(path: &Path) -> Result<Agent, Failure> {
    let failure = |why: &dyn std::fmt::Display| {
        Failure::new(Blame::Operator, format!("{}: {why}", path.display()))
            .hint("put an agent's executable there, plain or packed with gzip")
    };
    let file = std::fs::read(path).map_err(|e| failure(&e))?;
    let (bytes, gzip) = if file.starts_with(GZIP_MAGIC) {
        let mut bytes = Vec::new();
        flate2::read::MultiGzDecoder::new(&*file)
            .read_to_end(&mut bytes)
            .map_err(|e| failure(&format_args!("can't be unpacked: {e}")))?;
        (bytes, file)
    } else {
        let gzip = pack(&file).map_err(|e| failure(&e))?;
        (file, gzip)
    };
    if !bytes.starts_with(ELF_MAGIC) {
        return Err(failure(&"is no Linux executable"));
    }
    let mut sha256 = String::new();
    for byte in Sha256::digest(&bytes) {
        // Writing to a String can't fail.
        let _ = write!(sha256, "{byte:02x}");
    }
    Ok(Agent { sha256: sha256.into(), bytes: bytes.len() as u64, xz: None, gzip: gzip.into() })
}

fn pack(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(bytes)?;
    gzip.finish()
}

/// RFC 1952, section 2.3.1.
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
/// System V ABI, chapter 4.
const ELF_MAGIC: &[u8] = b"\x7fELF";

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of its own for one test, removed at its end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("murder-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn agents(&self) -> Agents {
            Agents::in_folder(Some(self.0.clone()))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn this_machine() -> String {
        format!("Linux {}\n", EMBEDDED.arch)
    }

    #[test]
    fn the_embedded_agent_is_a_static_executable_with_the_hash_it_claims() {
        let folder = Folder::new("embedded");
        let agent = folder.agents().for_machine(&this_machine()).unwrap();
        let bytes = agent.unpacked().unwrap();
        assert!(bytes.starts_with(ELF_MAGIC));
        assert_eq!(bytes.len() as u64, agent.bytes);
        let sha256: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(sha256, agent.sha256);
        // A dynamic loader's path would stand in the executable.
        let loader = b"/lib64/ld-linux";
        assert!(!bytes.windows(loader.len()).any(|window| window == loader));
    }

    #[test]
    fn an_agent_in_the_folder_serves_its_architecture_plain_or_packed() {
        let folder = Folder::new("folder");
        let executable = b"\x7fELF and so on".to_vec();
        std::fs::write(folder.0.join("murder-agent-linux-riscv64"), &executable).unwrap();
        let packed = pack(&executable).unwrap();
        std::fs::write(folder.0.join("murder-agent-linux-aarch64.gz"), &packed).unwrap();
        let plain = folder.agents().for_machine("Linux riscv64").unwrap();
        assert_eq!(plain.unpacked().unwrap(), executable);
        let packed = folder.agents().for_machine("Linux arm64").unwrap();
        assert_eq!(packed.unpacked().unwrap(), executable);
        assert_eq!(packed.sha256, plain.sha256);
    }

    #[test]
    fn an_architecture_without_an_agent_names_the_file_to_provide() {
        let agents = Agents::in_folder(Some("/agents".into()));
        assert_eq!(
            agents.for_machine("Linux s390x").unwrap_err().to_string(),
            "there is no agent for Linux on s390x (build one for it, and put it at \
             /agents/murder-agent-linux-s390x (or .gz))"
        );
    }

    #[test]
    fn a_system_that_is_not_linux_is_refused() {
        for uname in ["Darwin arm64", "", "Linux", "Linux ../x"] {
            assert_eq!(
                Agents::in_folder(None).for_machine(uname).unwrap_err().message,
                format!("no agent runs on this system: `uname -sm` says {uname:?}")
            );
        }
    }

    #[test]
    fn a_file_that_is_no_executable_is_refused_by_its_path() {
        let folder = Folder::new("text");
        let path = folder.0.join("murder-agent-linux-ppc64le");
        std::fs::write(&path, "#!/bin/sh").unwrap();
        let failure = folder.agents().for_machine("Linux ppc64le").unwrap_err();
        assert_eq!(failure.message, format!("{}: is no Linux executable", path.display()));
    }
}
