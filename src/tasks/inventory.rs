//! `inventory`: what was resolved, of all hosts or of those that `--limit` names.

use super::context::selected;
use crate::inventory::{Inventory, show};
use crate::report::{Data, Refusal};

/// The listing. Hosts without a role are in it too, as this is where one looks for them.
pub(super) fn data(inventory: &Inventory, limit: Option<&str>) -> Result<Data, Refusal> {
    let hosts = match limit {
        None => (0..inventory.hosts.len()).collect(),
        Some(limit) => selected(inventory, limit)?.1,
    };
    Ok(Data { text: show::text(inventory, &hosts), json: vec![show::json(inventory, &hosts)] })
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
        let data = data(&of_three(), None).unwrap();
        assert!(data.text.starts_with("i.yaml: 3 hosts\n"), "{}", data.text);
        assert_eq!(data.json[0]["hosts"][2]["name"], "spare");
    }

    #[test]
    fn a_limit_lists_the_hosts_that_it_names_even_if_none_is_a_peer() {
        let data = data(&of_three(), Some("spare")).unwrap();
        assert!(data.text.starts_with("i.yaml: 1 host of 3\n"), "{}", data.text);
        assert_eq!(data.json[0]["hosts"].as_array().unwrap().len(), 1);
    }
}
