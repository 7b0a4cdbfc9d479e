//! Who else listens on a port of this host, as far as /proc tells.

use std::path::Path;

/// "nginx (process 812)", for the process that listens on a TCP port.
pub(super) fn of_port(port: u16) -> Option<String> {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let tables = [read("/proc/self/net/tcp"), read("/proc/self/net/tcp6")];
    let sockets: Vec<_> = tables.iter().flat_map(|table| listening(table, port)).collect();
    std::fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        holds(&entry.path(), &sockets).then(|| {
            let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            format!("{} (process {pid})", name.trim())
        })
    })
}

/// The inodes of a table's sockets that listen on the port (state `0A`), as links of
/// /proc/PID/fd show them.
fn listening(table: &str, port: u16) -> Vec<String> {
    let socket = |line: &str| {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let (local, state, inode) = (words.get(1)?, words.get(3)?, words.get(9)?);
        let here = u16::from_str_radix(local.rsplit_once(':')?.1, 16) == Ok(port);
        (here && *state == "0A").then(|| format!("socket:[{inode}]"))
    };
    table.lines().filter_map(socket).collect()
}

fn holds(process: &Path, sockets: &[String]) -> bool {
    let Ok(files) = std::fs::read_dir(process.join("fd")) else { return false };
    files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok()).any(|target| {
        target.to_str().is_some_and(|target| sockets.iter().any(|socket| socket == target))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_port_is_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let holder = of_port(port).unwrap();
        let pid = std::process::id();
        assert!(holder.ends_with(&format!(" (process {pid})")), "{holder}");
    }

    #[test]
    fn sockets_that_do_not_listen_are_passed_over() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2326 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1
   1: 0100007F:2326 0100007F:9999 01 00000000:00000000 00:00000000 00000000  1000        0 4243 1
";
        assert_eq!(listening(table, 0x2326), ["socket:[4242]"]);
        assert!(listening(table, 80).is_empty());
    }
}
