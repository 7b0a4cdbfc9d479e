//! What `murder init` writes for a project to start from.

/// The files, by their paths in the project.
pub const FILES: [(&str, &str); 2] = [
    ("inventory.yaml", include_str!("init/inventory.yaml")),
    ("recipes/deploy.yaml", include_str!("init/deploy.yaml")),
];
