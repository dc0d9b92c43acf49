//! What a person at the console reads: where the server listens and what to try, or why it does
//! not run.
#![expect(clippy::print_stderr, reason = "the console is what this file is for")]

use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;

use api::Server;
use store::demo;

use crate::database::Database;
use crate::settings::LogFormat;

/// Silent where logs are for machines. That nobody reads it is no reason to stop.
pub(crate) fn print(server: &Server, database: &Database, format: LogFormat) {
    for address in server.addresses() {
        log::info!(address:% = address; "listening");
    }
    if let (LogFormat::Text, Some(address)) = (format, server.addresses().first()) {
        drop(write_welcome(
            &mut io::stdout().lock(),
            *address,
            database.embedded.is_some(),
        ));
    }
}

fn write_welcome(out: &mut impl Write, address: SocketAddr, has_demo: bool) -> io::Result<()> {
    writeln!(
        out,
        "\nRowhouse serves http://{address}, its description is at http://{address}/docs/"
    )?;
    if !has_demo {
        return Ok(());
    }
    let [tenant, ..] = demo::TENANTS;
    let (slug, password) = (tenant.slug, demo::PASSWORD);
    writeln!(out, "\nDemo logins, all with the password {password}:")?;
    for tenant in demo::TENANTS {
        writeln!(out, "  {}@{}.example", demo::ROLES.join("|"), tenant.slug)?;
    }
    writeln!(out, "\nTry it:")?;
    writeln!(
        out,
        "  TOKEN=$(curl -s http://{address}/api/v1/auth/login -H 'Content-Type: application/json' \
         -d '{{\"email\":\"owner@{slug}.example\",\"password\":\"{password}\"}}' | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')",
    )?;
    writeln!(
        out,
        "  curl -s http://{address}/api/v1/projects -H \"Authorization: Bearer $TOKEN\""
    )?;
    writeln!(
        out,
        "  curl -s http://{address}/api/v1/projects -H \"Authorization: Bearer $TOKEN\" \
         -H 'Content-Type: application/json' -d '{{\"name\":\"A new project\"}}'\n"
    )
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
