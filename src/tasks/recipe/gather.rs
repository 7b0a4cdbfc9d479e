//! What hosts print at about the same time, folded where it is the same.

use std::collections::{BTreeMap, HashMap};

use murder_protocol::verbs::OutputStream;

/// Lines of many hosts that nobody has seen yet. Pure: whoever drives it says when it is time to
/// show them.
#[derive(Debug, Default)]
pub(super) struct Gather {
    /// In the order in which hosts printed first.
    hosts: Vec<String>,
    lines: HashMap<String, Lines>,
}

/// What one host printed, standard output first.
type Lines = BTreeMap<OutputStream, Vec<String>>;

/// The same lines of some hosts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Printed {
    pub(super) hosts: Vec<String>,
    pub(super) stream: OutputStream,
    pub(super) lines: Vec<String>,
}

impl Gather {
    /// A host printed something.
    pub(super) fn push(&mut self, host: &str, stream: OutputStream, lines: Vec<String>) {
        if !self.lines.contains_key(host) {
            self.hosts.push(host.to_owned());
        }
        self.lines.entry(host.to_owned()).or_default().entry(stream).or_default().extend(lines);
    }

    /// Takes everything.
    pub(super) fn take(&mut self) -> Vec<Printed> {
        let mut shown: Vec<Printed> = Vec::new();
        let mut places: BTreeMap<(OutputStream, Vec<String>), usize> = BTreeMap::new();
        for host in std::mem::take(&mut self.hosts) {
            for (stream, lines) in self.lines.remove(&host).unwrap_or_default() {
                let place = *places.entry((stream, lines.clone())).or_insert(shown.len());
                match shown.get_mut(place) {
                    Some(printed) => printed.hosts.push(host.clone()),
                    None => shown.push(Printed { hosts: vec![host.clone()], stream, lines }),
                }
            }
        }
        for printed in &mut shown {
            // So that they fold: web9 comes before web10.
            printed.hosts.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_printed_the_same_are_shown_once() {
        let mut gather = Gather::default();
        let lines = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        gather.push("web2", OutputStream::Out, lines("a b"));
        gather.push("web1", OutputStream::Out, lines("a"));
        gather.push("web1", OutputStream::Out, lines("b"));
        gather.push("web3", OutputStream::Err, lines("a b"));
        let shown = gather.take();
        assert_eq!(shown.len(), 2);
        assert_eq!(shown[0].hosts, ["web1", "web2"]);
        assert_eq!(shown[0].lines, ["a", "b"]);
        assert_eq!(shown[1].hosts, ["web3"]);
        assert!(gather.take().is_empty());
    }
}
