//! Steps as another user than the one that logs in.

use super::Site;

#[test]
fn a_user_who_may_not_become_another_is_told_by_which_host_and_what_to_do() {
    let Some(site) = Site::up() else { return };
    let host = site.0.host(2);
    host.sh("sed '$aada:x:1815:1815::/home/ada:/bin/sh' /etc/passwd >/run/passwd && \
         mount --bind /run/passwd /etc/passwd && cp -r .ssh /home/ && mkdir /home/ada && \
         mv /home/.ssh /home/ada/ && chown -R ada:1815 /home/ada");
    let inventory = site.0.laptop().path("/root/inventory.yaml");
    let text = std::fs::read_to_string(&inventory).expect("the inventory");
    let text = text.replacen("    h2:\n", "    h2: { ansible_user: ada }\n", 1);
    std::fs::write(&inventory, text).expect("the inventory");
    site.recipe_at("who", WHO);
    site.0.ok("distribute_files");

    let ended = site.0.run("who").code(3);

    ended
        .says("7 hosts")
        .says("nobody")
        .says("failed h2: ")
        .says("may not become nobody: sudo: ")
        .says("let sudoers allow it without a password (NOPASSWD), or log in as nobody");
}

const WHO: &str = r#"
steps:
  - run: [id, -un]
  - run: [id, -un]
    become: nobody
"#;
