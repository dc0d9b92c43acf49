//! The recipes of the crate's documentation are what `tests/outside` builds and runs: word for word.

use std::fs;
use std::path::Path;

/// The blocks of this language in the crate's documentation, without what stands around them.
fn blocks(language: &str) -> Vec<String> {
    let document = include_str!("../../src/lib.rs");
    let document: String = document
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
        .collect();
    document
        .split(&format!("```{language}\n"))
        .skip(1)
        .map(|rest| rest.split_once("```").unwrap().0.to_owned())
        .collect()
}

fn outside(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/outside");
    fs::read_to_string(folder.join(file)).unwrap()
}

#[test]
fn the_recipes_in_sql_are_migrations_that_run() {
    let migrations = [
        outside("migrations/20260101000100_notes/up.sql"),
        outside("migrations/20260101000200_members/up.sql"),
        outside("migrations/20260101000300_letters/up.sql"),
        outside("migrations/20260101000400_service/up.sql"),
    ];
    let recipes = blocks("sql");
    assert_eq!(recipes.len(), migrations.len());
    for recipe in recipes {
        assert!(migrations.contains(&recipe), "nobody runs this:\n{recipe}");
    }
}

#[test]
fn the_recipes_in_rust_that_need_other_crates_are_code_that_runs() {
    let sources = [outside("src/web.rs"), outside("src/lib.rs")].concat();
    let recipes = blocks("ignore");
    assert_eq!(recipes.len(), 5);
    for recipe in recipes {
        assert!(
            sources.contains(recipe.trim()),
            "nobody compiles this:\n{recipe}"
        );
    }
    let manifest = outside("Cargo.toml");
    for line in blocks("toml").concat().lines() {
        let is_external = line.starts_with("diesel");
        assert!(!is_external || manifest.contains(line), "{line}");
    }
}
