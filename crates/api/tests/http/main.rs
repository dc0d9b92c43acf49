//! What a client meets at the edge of the API, over real HTTP against a bound server: everything
//! that needs no database. The routes under test are the harness's own (`app.rs`), in the frame of
//! the shipped server.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may stop at the first surprise, and clippy.toml knows only functions marked #[test]"
)]

mod app;
mod bodies;
mod browsers;
mod callers;
mod deadline;
mod description;
mod gate;
mod heads;
mod lists;
mod logs;
mod paths;
mod problems;
mod queries;
mod server;
mod versions;
