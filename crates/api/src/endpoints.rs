//! The handlers, one file per noun. Which path leads to which is `routes.rs`.

pub(crate) mod account;
pub(crate) mod auth;
pub(crate) mod docs;
pub(crate) mod health;
pub(crate) mod projects;
pub(crate) mod users;
