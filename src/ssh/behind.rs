//! Why a host behind a jump host or another proxy was not reached.
//!
//! There ssh's own log only says that the proxy hung up. The reason is what the proxy's ssh wrote
//! to stderr, which the crate that starts ssh throws away. So ssh is asked once more, and heard.

use std::process::Stdio;
use std::time::Duration;

use super::cause::Unreachable;
use crate::inventory::{Address, Host};
use crate::settings::HostKeys;

/// Asks ssh again. `None` if it gets through now, or says nothing in time.
pub(super) async fn ask(host: &Host, keys: HostKeys, limit: Duration) -> Option<Unreachable> {
    let ssh = tokio::process::Command::new("ssh")
        .args(arguments(host, keys, limit)?)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(limit, ssh).await.ok()?.ok()?;
    let said = String::from_utf8_lossy(&output.stderr);
    (!output.status.success()).then(|| Unreachable::from_log(&said))
}

/// As the crate would have it, without a master.
fn arguments(host: &Host, keys: HostKeys, limit: Duration) -> Option<Vec<String>> {
    let Address::Ssh { destination, port, user, key_file } = &host.address else { return None };
    let keys = match keys {
        HostKeys::Strict => "yes",
        HostKeys::AcceptNew => "accept-new",
    };
    let mut arguments = vec![
        "-oBatchMode=yes".to_owned(),
        "-oControlPath=none".to_owned(),
        format!("-oStrictHostKeyChecking={keys}"),
        format!("-oConnectTimeout={}", limit.as_secs().max(1)),
    ];
    arguments.extend(port.map(|port| format!("-p{port}")));
    arguments.extend(user.as_ref().map(|user| format!("-l{user}")));
    if let Some(file) = key_file {
        arguments.extend(["-oIdentitiesOnly=yes".to_owned(), format!("-i{}", file.display())]);
    }
    arguments.extend(["--", destination, "true"].map(str::to_owned));
    Some(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Inventory;

    #[test]
    fn ssh_is_asked_with_what_the_inventory_says() {
        let yaml = b"all:\n  hosts:\n    a: {host: b, port: 2222, user: u, key_file: /k}\n";
        let host = Inventory::parse(yaml, "i.yaml", &[]).unwrap().hosts.remove(0);
        let line = arguments(&host, HostKeys::AcceptNew, Duration::from_secs(20)).unwrap();
        assert_eq!(
            line.join(" "),
            "-oBatchMode=yes -oControlPath=none -oStrictHostKeyChecking=accept-new \
             -oConnectTimeout=20 -p2222 -lu -oIdentitiesOnly=yes -i/k -- b true"
        );
    }
}
