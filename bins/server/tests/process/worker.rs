//! `rowhouse-server --worker-only`: jobs outlive the death of the process that is at them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;

use diesel::RunQueryDsl as _;
use diesel::connection::SimpleConnection as _;
use diesel::sql_types::BigInt;
use nix::sys::signal::Signal;
use rowhouse_tests::{Database, Mail};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;

use crate::servers::{Process, command, eventually};

const CONCURRENCY: usize = 4;

/// A database, and workers on it that write mails into one folder.
struct Workshop {
    database: Database,
    home: TempDir,
}

impl Workshop {
    fn new() -> Self {
        Self {
            database: Database::fresh(),
            home: tempfile::tempdir().unwrap(),
        }
    }

    /// Works, and listens nowhere.
    fn worker(&self, smtp_url: Option<&str>) -> Process {
        let mut command = command();
        command
            .arg("--worker-only")
            .current_dir(self.home.path())
            .env("ROWHOUSE_ENV", "test")
            .env("ROWHOUSE_HOME", self.home.path())
            .env("SECRET_KEY", "a secret key of at least thirty-two bytes")
            .env(
                "ROWHOUSE__SEAL__KEYS",
                "test:a seal key of thirty-two bytes!!",
            )
            .env(
                "ROWHOUSE__DATABASE__APP_URL",
                self.database.url("rowhouse_app").expose_secret(),
            )
            .env(
                "ROWHOUSE__DATABASE__AUTH_URL",
                self.database.url("rowhouse_auth").expose_secret(),
            )
            .env("ROWHOUSE__JOBS__CONCURRENCY", CONCURRENCY.to_string())
            .env("ROWHOUSE__JOBS__LEASE_SECONDS", "4")
            .env("ROWHOUSE__JOBS__POLL_MILLISECONDS", "20");
        if let Some(url) = smtp_url {
            command.env("ROWHOUSE__MAIL__SMTP_URL", url);
        }
        Process::start(&mut command)
    }

    fn change(&self, sql: &str) {
        self.database.superuser().batch_execute(sql).unwrap();
    }

    fn count(&self, table: &str) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = BigInt)]
            count: i64,
        }
        diesel::sql_query(format!("SELECT count(*) FROM {table}"))
            .get_result::<Row>(&mut self.database.superuser())
            .unwrap()
            .count
    }

    /// So many accounts that ask for a mail, and so many members who are to be welcomed.
    fn fill(&self, number: usize) {
        self.change(&format!(
            "INSERT INTO tenants (id, slug, subdomain, name)
                 VALUES ('00000000-0000-7000-8000-000000000001', 'acme-corp', 'acme-corp', 'Acme');
             INSERT INTO accounts (id, email, full_name)
                 SELECT gen_random_uuid(), 'account' || n || '@acme.example', 'A' FROM generate_series(1, {number}) n;
             INSERT INTO credentials (account_id, password_hash) SELECT id, 'x' FROM accounts;
             INSERT INTO account_mails (id, kind, email)
                 SELECT gen_random_uuid(), 'reset_password', email FROM accounts;
             INSERT INTO memberships (tenant_id, id, account_id, email, full_name, role)
                 SELECT '00000000-0000-7000-8000-000000000001', id, id, 'member-' || email, 'M', 'owner' FROM accounts;
             INSERT INTO jobs (tenant_id, id, kind, payload)
                 SELECT tenant_id, gen_random_uuid(), 'welcome_member', jsonb_build_object('membership_id', id)
                 FROM memberships"
        ));
    }

    /// How many mails each recipient got.
    fn mails(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for mail in Mail::all_in(&self.home.path().join("outbox")) {
            *counts.entry(mail.to).or_default() += 1;
        }
        counts
    }

    fn sent(&self) -> usize {
        self.mails().len()
    }

    fn done(&self) -> i64 {
        self.count("account_mails WHERE status = 'done'") + self.count("jobs WHERE status = 'done'")
    }
}

#[test]
fn no_kill_loses_a_job_and_only_what_was_under_way_is_done_twice() {
    const EACH: usize = 100;
    const KILLS: usize = 3;
    let shop = Workshop::new();
    shop.fill(EACH);
    for round in 1..=KILLS {
        let mut worker = shop.worker(None);
        let enough = round * 30;
        eventually("some mails are sent", || {
            assert_eq!(worker.ended(), None, "it has ended");
            (shop.sent() >= enough).then_some(())
        });
        worker.signal(Signal::SIGKILL);
        eventually("the worker is dead", || worker.ended());
        assert!(
            shop.done() < i64::try_from(2 * EACH).unwrap(),
            "killed too late"
        );
    }
    let mut worker = shop.worker(None);
    eventually("all is done", || {
        (shop.done() == i64::try_from(2 * EACH).unwrap()).then_some(())
    });
    worker.signal(Signal::SIGTERM);
    let status = eventually("the worker stops", || worker.ended());
    assert_eq!(status.code(), Some(0));

    let mails = shop.mails();
    let expected: BTreeSet<String> = (1..=EACH)
        .flat_map(|n| ["", "member-"].map(|kind| format!("{kind}account{n}@acme.example")))
        .collect();
    assert_eq!(mails.keys().cloned().collect::<BTreeSet<_>>(), expected);
    // A kill hits at most what was under way: each of that may be sent once more.
    let twice: usize = mails.values().map(|count| count - 1).sum();
    assert!(twice <= KILLS * CONCURRENCY, "{twice} were sent again");
    for table in ["jobs", "account_mails"] {
        assert_eq!(shop.count(&format!("{table} WHERE status <> 'done'")), 0);
        let tries = format!("{table} WHERE attempts > {}", KILLS + 1);
        assert_eq!(shop.count(&tries), 0);
    }
    assert_eq!(shop.count("tenancy.job"), 0);
}

#[test]
fn an_erasure_that_is_killed_in_its_midst_is_finished_by_the_next_worker() {
    let shop = Workshop::new();
    shop.fill(1);
    // More resources than one transaction erases, and projects behind them.
    shop.change(
        "DELETE FROM jobs; DELETE FROM account_mails;
         UPDATE tenants SET status = 'deleting', erase_after = now();
         INSERT INTO projects (tenant_id, id, name, owner_id)
             SELECT tenant_id, gen_random_uuid(), 'Atlas', id FROM memberships;
         INSERT INTO resources (tenant_id, id, project_id, name, created_by)
             SELECT tenant_id, gen_random_uuid(), id, 'Sheet', owner_id FROM projects, generate_series(1, 1500)",
    );
    let mut in_the_way = shop.database.superuser();
    in_the_way
        .batch_execute("BEGIN; SELECT FROM projects FOR UPDATE")
        .unwrap();
    let mut worker = shop.worker(None);
    eventually("one batch is gone", || {
        (shop.count("resources") == 500).then_some(())
    });
    worker.signal(Signal::SIGKILL);
    eventually("the worker is dead", || worker.ended());
    in_the_way.batch_execute("ROLLBACK").unwrap();
    assert_eq!(shop.count("resources"), 500);
    assert_eq!(shop.count("projects"), 1);
    assert_eq!(shop.count("tenants"), 1);

    let mut worker = shop.worker(None);
    eventually("all is erased", || {
        (shop.count("tenants") == 0).then_some(())
    });
    worker.signal(Signal::SIGTERM);
    assert_eq!(eventually("it stops", || worker.ended()).code(), Some(0));
    for table in [
        "resources",
        "projects",
        "memberships",
        "jobs",
        "tenancy.tenant",
        "tenancy.job",
    ] {
        assert_eq!(shop.count(table), 0, "{table}");
    }
    assert_eq!(shop.count("accounts"), 1);
}

#[test]
fn a_worker_that_is_told_to_stop_gives_back_what_it_cannot_finish() {
    let shop = Workshop::new();
    shop.fill(1);
    // The worker cannot finish: its mail server takes the call and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}", silent.local_addr().unwrap());
    let mut worker = shop.worker(Some(&url));
    eventually("it is at work", || {
        (shop.count("account_mails WHERE status = 'running' AND token_id IS NOT NULL") == 1)
            .then_some(())
    });
    worker.signal(Signal::SIGINT);
    let given_back = "account_mails WHERE status = 'queued' AND attempts = 1 AND worker IS NULL
        AND last_error = 'the worker was stopped'";
    eventually("it gives back", || {
        (shop.count(given_back) == 1).then_some(())
    });
    let status = eventually("the worker stops", || worker.ended());
    assert_eq!(status.code(), Some(0));
    let mut worker = shop.worker(None);
    eventually("another one finishes it", || {
        (shop.done() == 2).then_some(())
    });
    worker.signal(Signal::SIGTERM);
    assert_eq!(eventually("it stops", || worker.ended()).code(), Some(0));
    assert_eq!(worker.address(), None);
    assert!(
        worker.log().contains("mail.smtp_url is not set"),
        "{}",
        worker.log()
    );
}
