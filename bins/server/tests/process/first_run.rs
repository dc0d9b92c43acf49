//! From an empty folder to a server that one can try, and back again.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::servers::{Home, Process, eventually};

const OWNER: &str = "owner@dunder-mifflin.example";

#[tokio::test]
async fn a_first_run_serves_the_demo_and_a_second_one_finds_it_as_it_was() {
    let home = Home::new();
    let server = home.serve();
    assert!(
        server.log().contains("demo tenants were added tenants=3"),
        "{}",
        server.log()
    );
    for slug in ["pawnee-parks-and-rec", "dunder-mifflin", "aliki-farms"] {
        for role in ["owner", "member", "viewer"] {
            let client = server
                .client()
                .demo(&format!("{role}@{slug}.example"))
                .await;
            let me = client.get("/api/v1/users/me").await;
            assert_eq!(me["tenant"]["slug"], slug);
            assert_eq!(me["tenant"]["role"], role);
            assert_eq!(client.projects().await.len(), 3);
        }
    }
    let owner = server.client().demo(OWNER).await;
    owner.create_project("Of the first run").await.unwrap();
    let before = owner.projects().await;
    assert_eq!(before.len(), 4);
    assert_eq!(server.terminate().code(), Some(0));
    assert_eq!(home.postgres(), None);

    let server = home.serve();
    assert!(
        !server.log().contains("demo tenants were added"),
        "{}",
        server.log()
    );
    // The token of the first run, whose key lies in the home.
    let owner = owner.at(server.address());
    assert_eq!(owner.projects().await, before);
    assert_eq!(server.client().demo(OWNER).await.projects().await, before);
    assert_eq!(server.terminate().code(), Some(0));
    assert_eq!(home.postgres(), None);
}

#[test]
fn a_first_run_that_is_stopped_before_it_serves_leaves_nothing_running() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let home = Home::new();
        let mut process = Process::start(&mut home.command());
        eventually("it starts PostgreSQL", || {
            process.log().contains("PostgreSQL runs from").then_some(())
        });
        process.signal(signal);
        let status = eventually("it stops", || process.ended());
        assert_eq!(status.code(), Some(0), "{signal}");
        assert_eq!(home.postgres(), None, "{signal}");
        // What it made so far is whole: the next run serves it.
        let server = home.serve();
        assert_eq!(server.terminate().code(), Some(0));
    }
}

#[test]
fn the_three_lines_of_the_banner_work_as_they_are_printed() {
    let home = Home::new();
    let server = home.serve();
    let banner = eventually("the banner is printed", || {
        let banner = server.banner();
        banner.contains("A new project").then_some(banner)
    });
    assert!(
        banner.contains(&format!("Rowhouse serves http://{}", server.address())),
        "{banner}"
    );
    assert!(
        banner.contains("owner|member|viewer@aliki-farms.example"),
        "{banner}"
    );
    let lines: Vec<&str> = banner
        .lines()
        .filter(|line| line.contains("curl"))
        .collect();
    assert_eq!(lines.len(), 3, "{banner}");
    let output = Command::new("/bin/sh")
        .args(["-ec", &lines.join("\necho\n")])
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}");
    for expected in [
        r#""data":["#,
        "Harvest festival",
        r#""name":"A new project""#,
    ] {
        assert!(printed.contains(expected), "{expected} is not in {printed}");
    }
}
