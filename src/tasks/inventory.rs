//! `inventory`: what was resolved, of all hosts or of those that `--limit` names.

use super::context::selected;
use crate::inventory::{Inventory, show};
use crate::report::{Data, Refusal};
use crate::settings::Format;

/// The listing, in the form that is asked for. Hosts without a role are in it too, as this is
/// where one looks for them.
pub(super) fn data(
    inventory: &Inventory,
    limit: Option<&str>,
    format: Format,
) -> Result<Data, Refusal> {
    let hosts = match limit {
        None => (0..inventory.hosts.len()).collect(),
        Some(limit) => selected(inventory, limit)?.1,
    };
    Ok(match format {
        Format::Human => Data { text: show::text(inventory, &hosts), json: Vec::new() },
        Format::Json => Data { text: String::new(), json: vec![show::json(inventory, &hosts)] },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_three() -> Inventory {
        let yaml = b"all:\n  hosts: {web1: , web2: , spare: {no_release: true}}\n";
        Inventory::parse(yaml, "i.yaml", &[]).unwrap()
    }

    #[test]
    fn every_host_is_listed_with_or_without_a_role() {
        let shown = data(&of_three(), None, Format::Human).unwrap();
        assert!(shown.text.starts_with("i.yaml: 3 hosts\n"), "{}", shown.text);
        let shown = data(&of_three(), None, Format::Json).unwrap();
        assert!(shown.json[0].contains(r#""name":"spare""#), "{}", shown.json[0]);
    }

    #[test]
    fn a_limit_lists_the_hosts_that_it_names_even_if_none_is_a_peer() {
        let shown = data(&of_three(), Some("spare"), Format::Human).unwrap();
        assert!(shown.text.starts_with("i.yaml: 1 host of 3\n"), "{}", shown.text);
        let shown = data(&of_three(), Some("spare"), Format::Json).unwrap();
        assert_eq!(shown.json[0].matches(r#""name":"#).count(), 1, "{}", shown.json[0]);
    }
}
