//! The examples are what they say: programs that run by themselves, and answer the curl sessions
//! of the programs that they reproduce.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// A running example; ended with this value.
struct Example {
    child: Child,
    address: String,
    log: Receiver<String>,
}

impl Example {
    fn start(name: &str) -> Self {
        let tests = std::env::current_exe().unwrap();
        let program = tests
            .parent()
            .unwrap()
            .with_file_name("examples")
            .join(name);
        let mut child = Command::new(program)
            .env("PORT", "0")
            .env("RUST_LOG", "info,tenant_db::sql=debug")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, log) = channel();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // Nobody reads the last ones.
                drop(sender.send(line));
            }
        });
        let mut seen = Vec::new();
        let address = loop {
            let line = log.recv_timeout(Duration::from_secs(60));
            let line = line.unwrap_or_else(|_| panic!("{name} does not listen: {seen:?}"));
            if let Some((_, address)) = line.split_once("listening on: ") {
                break address.to_owned();
            }
            seen.push(line);
        };
        Self {
            child,
            address,
            log,
        }
    }

    /// What curl prints, given these arguments and the URL of this path.
    fn curl(&self, arguments: &str, path: &str) -> String {
        let url = format!("http://{}{path}", self.address);
        let output = Command::new("bash")
            .args([
                "-c",
                &format!("curl --silent --show-error {arguments} '{url}'"),
            ])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn get(&self, arguments: &str, path: &str) -> Value {
        serde_json::from_str(&self.curl(arguments, path)).unwrap()
    }

    /// Status and body.
    fn ask(&self, arguments: &str, path: &str) -> (String, Value) {
        let printed = self.curl(&format!("{arguments} -w '\\n%{{http_code}}'"), path);
        let (body, status) = printed.rsplit_once('\n').unwrap();
        (status.to_owned(), serde_json::from_str(body).unwrap())
    }

    /// Ends it as Ctrl-C does, and says what else it logged.
    fn end(mut self) -> Vec<String> {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        kill(pid, Signal::SIGINT).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
        self.log.iter().collect()
    }
}

impl Drop for Example {
    /// Only where a test has failed before its end: it stops its PostgreSQL too.
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let pid = Pid::from_raw(self.child.id().try_into().unwrap());
            if kill(pid, Signal::SIGINT).is_ok() {
                drop(self.child.wait());
            }
        }
    }
}

const PAWNEE: &str = "7a245486-3fc8-47ec-b303-04fefe7a58ff";

fn pawnee_items() -> Value {
    let item = |id, title| json!({"id": id, "title": title, "tenant_id": PAWNEE});
    json!([
        item("997d0bee-351f-4b09-9dd3-2289da1ce0ba", "art-fair"),
        item("bab62059-b702-442e-a053-7e4690d5510b", "bench"),
        item("1bfa0393-0f74-4824-b234-052e49511a5c", "concert"),
        item("1b94d748-6241-410c-95f5-015105316f27", "drinking-fountain"),
        item("de5de5ab-abdd-499a-95a6-00f8c7b7130a", "emergency-kit"),
    ])
}

#[test]
fn items_of_three_tenants_in_one_table_are_seen_by_their_own_tenant_alone() {
    let example = Example::start("items");
    let header = |tenant: &str| format!(r#"--header "X-tenant-id: {tenant}""#);
    assert_eq!(example.get(&header(PAWNEE), "/items/"), pawnee_items());
    assert_eq!(
        example.get(&header(PAWNEE), "/tenants/"),
        json!([{"id": PAWNEE, "name": "pawnee-parks-and-rec", "items": pawnee_items()}])
    );
    for (tenant, name, first) in [
        (
            "162be16f-f76d-431a-a213-171838ded9ae",
            "dunder-mifflin",
            "copier",
        ),
        (
            "ebdba44d-ad48-4e73-9bd5-339e3c3fc590",
            "aliki-farms",
            "barn",
        ),
    ] {
        let items = example.get(&header(tenant), "/items/");
        assert_eq!(items.as_array().unwrap().len(), 5, "{items}");
        assert_eq!(items[0]["title"], first);
        for item in items.as_array().unwrap() {
            assert_eq!(item["tenant_id"], tenant);
        }
        assert_eq!(
            example.get(&header(tenant), "/tenants/"),
            json!([{"id": tenant, "name": name, "items": items}])
        );
    }
    let nobody = "00000000-0000-0000-0000-000000000001";
    assert_eq!(example.get(&header(nobody), "/items/"), json!([]));
    for arguments in ["", &header("' OR true")] {
        let said = example.curl(&format!("{arguments} -w '%{{http_code}}'"), "/items/");
        assert_eq!(said, "X-tenant-id missing, or no UUID401");
    }
    let log = example.end().join("\n");
    let statement = r#"SELECT "items"."id", "items"."title", "items"."tenant_id" FROM "items" ORDER BY "items"."title""#;
    assert!(log.contains(statement), "{log}");
    assert!(
        log.contains(&format!("tenancy.enter('… tenant {PAWNEE} …')")),
        "{log}"
    );
    assert!(!log.contains("v1|"), "a seal: {log}");
}

#[test]
fn products_are_a_tenants_own_and_need_its_header() {
    let example = Example::start("products");
    assert_eq!(
        example.get("", "/").clone(),
        json!({"message": "Welcome to the Multi-Tenant SaaS API!"})
    );
    let (status, acme) = example.ask("-X POST", "/tenants/?tenant_name=Acme");
    assert_eq!((status.as_str(), &acme["name"]), ("200", &json!("Acme")));
    let globex = example.get("-X POST", "/tenants/?tenant_name=Globex");
    let header = |tenant: &Value| format!("-H 'X-Tenant-ID: {}'", tenant["id"].as_str().unwrap());
    let post = |tenant: &Value, body: &str| format!("{} --json '{body}'", header(tenant));
    let lamp = example.get(
        &post(&acme, r#"{"name": "Lamp", "price": 9.994}"#),
        "/products/",
    );
    assert_eq!(
        lamp,
        json!({"id": lamp["id"], "tenant_id": acme["id"], "name": "Lamp", "price": 9.99,
            "created_at": lamp["created_at"]})
    );
    let desk = example.get(
        &post(&globex, r#"{"name": "Desk", "price": 120}"#),
        "/products/",
    );
    assert_eq!(example.get(&header(&acme), "/products/"), json!([lamp]));
    assert_eq!(example.get(&header(&globex), "/products/"), json!([desk]));
    let lamps = format!("/products/{}", lamp["id"].as_str().unwrap());
    assert_eq!(example.get(&header(&acme), &lamps), lamp);
    let refused = |arguments: &str, path: &str, status: &str, detail: &str| {
        assert_eq!(
            example.ask(arguments, path),
            (status.to_owned(), json!({"detail": detail})),
            "{arguments} {path}"
        );
    };
    refused(&header(&globex), &lamps, "404", "Product not found");
    refused("", "/products/", "401", "X-Tenant-ID header missing");
    refused("", &lamps, "401", "X-Tenant-ID header missing");
    refused("-X POST", "/tenants/?tenant_name=Acme", "409", "name taken");
    for path in [
        "/tenants/",
        "/tenants/?tenant_name=",
        "/tenants/?tenant_name=%00",
    ] {
        refused("-X POST", path, "422", "tenant_name: 1 to 255 characters");
    }
    let unfit = "name: 1 to 255 characters; price: 8 digits";
    for body in [
        r#"{"name": "", "price": 1}"#,
        r#"{"name": "\u0000", "price": 1}"#,
        r#"{"name": "Moon", "price": 99999999.999}"#,
    ] {
        refused(&post(&acme, body), "/products/", "422", unfit);
    }
    let stranger = json!({"id": "00000000-0000-0000-0000-000000000001"});
    let fine = post(&stranger, r#"{"name": "Lamp", "price": 1}"#);
    refused(&fine, "/products/", "404", "no tenant");
    for (arguments, path) in [
        (post(&acme, r#"{"name": "Lamp"}"#), "/products/"),
        (header(&acme), "/products/7"),
        (header(&json!({"id": "7"})), "/products/"),
    ] {
        let (status, body) = example.ask(&arguments, path);
        assert_eq!(status, "422", "{body}");
        assert!(body["detail"].is_string(), "{body}");
    }
    example.end();
}

#[test]
fn two_tenants_have_two_projects_and_one() {
    let example = Example::start("projects");
    let post = |header: &str, path: &str, name: &str| {
        let (status, made) =
            example.ask(&format!(r#"{header} --json '{{"name": "{name}"}}'"#), path);
        assert_eq!(
            (status.as_str(), &made["name"]),
            ("201", &json!(name)),
            "{made}"
        );
        made
    };
    let header = |tenant: &Value| format!("-H 'X-Tenant-ID: {}'", tenant["id"].as_str().unwrap());
    let [acme, globex] = ["Acme", "Globex"].map(|name| post("", "/api/tenants/", name));
    let atlas = post(&header(&acme), "/api/projects/", "Atlas");
    let borealis = post(&header(&acme), "/api/projects/", "Borealis");
    let comet = post(&header(&globex), "/api/projects/", "Comet");
    assert_eq!(atlas["tenant_id"], acme["id"]);
    assert_eq!(
        example.get(&header(&acme), "/api/projects/"),
        json!([atlas, borealis])
    );
    assert_eq!(
        example.get(&header(&globex), "/api/projects/"),
        json!([comet])
    );
    assert_eq!(
        example.get(&header(&globex), "/api/tenants/"),
        json!([globex])
    );
    let refused = |arguments: &str, status: &str, error: &str| {
        assert_eq!(
            example.ask(arguments, "/api/projects/"),
            (status.to_owned(), json!({"error": error})),
            "{arguments}"
        );
    };
    refused("", "400", "X-Tenant-ID is missing, or no UUID");
    refused(
        "-H 'X-Tenant-ID: 7'",
        "400",
        "X-Tenant-ID is missing, or no UUID",
    );
    let empty = format!(r#"{} --json '{{"name": ""}}'"#, header(&acme));
    refused(&empty, "400", "name has 1 to 255 characters");
    let unknown = "-H 'X-Tenant-ID: 00000000-0000-0000-0000-000000000001'";
    refused(
        &format!(r#"{unknown} --json '{{"name": "x"}}'"#),
        "404",
        "no such tenant",
    );
    let (status, _) = example.ask(&format!("{} --json '[]'", header(&acme)), "/api/projects/");
    assert_eq!(status, "400");
    example.end();
}

#[test]
fn an_example_has_at_most_150_lines_and_says_what_production_does() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for name in ["items", "products", "projects"] {
        let text = fs::read_to_string(folder.join(name).with_extension("rs")).unwrap();
        assert!(text.lines().count() <= 150, "{name}.rs has become too long");
        assert!(
            text.contains("production takes\n//! the tenant from a token"),
            "{name}.rs"
        );
    }
}
