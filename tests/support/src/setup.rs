//! What a fleet's hosts find when they boot: names, keys and programs.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Fills the folder that all hosts of a fleet see.
pub(crate) fn fill(dir: &Path, addresses: &[(String, String)], with_keys: bool) {
    let write = |name: &str, text: &str| fs::write(dir.join(name), text).expect("a file in memory");
    let mut hosts = "127.0.0.1 localhost\n".to_owned();
    let mut known = String::new();
    new_key(&dir.join("id"));
    for (name, address) in addresses {
        // The second name is the README's.
        let web = name.replace('h', "web");
        hosts += &format!("{address} {name} {web}\n");
        if with_keys {
            let public = new_key(&dir.join(format!("key-{name}")));
            known += &format!("{name},{web},{address} {public}");
        }
    }
    write("hosts", &hosts);
    write("known_hosts", &known);
    // The default key exchange costs three times the CPU, which the tests have better uses for.
    write("config", "Host *\n  KexAlgorithms curve25519-sha256\n");
    write(
        "sshd_config",
        "Port 22\nHostKey /run/sshd/host_key\nPidFile none\nUsePAM no\nPrintMotd no\n\
         PasswordAuthentication no\nAuthorizedKeysFile .ssh/authorized_keys\n",
    );
}

/// Whether a program is installed.
pub fn has(tool: &str) -> bool {
    ["/usr/local/bin", "/usr/bin", "/usr/sbin", "/bin", "/sbin"]
        .into_iter()
        .any(|dir| Path::new(dir).join(tool).exists())
}

/// Runs a program that has to succeed.
pub(crate) fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
}

/// Makes a key, and gives its public half.
pub(crate) fn new_key(path: &Path) -> String {
    run(Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(path));
    fs::read_to_string(path.with_extension("pub")).expect("ssh-keygen writes the public half")
}
