//! `embed_migrations!` reads files that cargo does not watch by itself.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
