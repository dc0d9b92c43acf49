//! What a person at the console reads: where the server listens and what to try, or why it does
//! not run.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the console is what this file is for"
)]

use std::error::Error;

use api::Server;
use store::demo;

use crate::database::Database;
use crate::settings::LogFormat;

/// Silent where logs are for machines.
pub(crate) fn print(server: &Server, database: &Database, format: LogFormat) {
    for address in server.addresses() {
        log::info!(address:% = address; "listening");
    }
    let (LogFormat::Text, Some(address)) = (format, server.addresses().first()) else {
        return;
    };
    println!("\nRowhouse serves http://{address}");
    if database.embedded.is_none() {
        return;
    }
    println!("\nDemo logins, all with the password {}:", demo::PASSWORD);
    for tenant in demo::TENANTS {
        println!("  {}@{}.example", demo::ROLES.join("|"), tenant.slug);
    }
    let [tenant, ..] = demo::TENANTS;
    let slug = tenant.slug;
    println!("\nTry it:");
    println!(
        "  TOKEN=$(curl -s http://{address}/api/v1/auth/login -H 'Content-Type: application/json' \
         -d '{{\"email\":\"owner@{slug}.example\",\"password\":\"{}\"}}' | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')",
        demo::PASSWORD
    );
    println!("  curl -s http://{address}/api/v1/projects -H \"Authorization: Bearer $TOKEN\"");
    println!(
        "  curl -s http://{address}/api/v1/projects -H \"Authorization: Bearer $TOKEN\" \
         -H 'Content-Type: application/json' -d '{{\"name\":\"A new project\"}}'\n"
    );
}

/// One line with the chain of causes; what mends it, where the error itself brings that along.
pub(crate) fn print_failure(error: &dyn Error) {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        let more: Vec<&str> = more.split_whitespace().collect();
        let more = more.join(" ");
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    eprintln!("rowhouse-server: {text}");
}
