//! `rowhouse-admin audit`: whether the trail is what was recorded. Values of tenants are seen by
//! `export` alone.

use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

use auth::TrustedKey;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{SecondsFormat, Utc};
use clap::{Args, Subcommand};
use domain::TenantSlug;
use serde_json::json;
use store::{
    AuditSettings, Checkpoint, Examination, Flaw, OpsDb, PlatformDenial, Signed, SignedStatement,
    Signer, examine_export,
};
use uuid::Uuid;

use crate::Refused;
use crate::database::Database;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Follows the chains, and names the first event that was changed, taken away or put in. Exit
    /// code 1 when there is one.
    Verify(Verify),
    /// Signs the ends of all chains that have grown, as the servers do every hour.
    Checkpoint {
        /// Writes the checkpoint to this file too: kept elsewhere, it shows whether all was cut short.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Lists refusals that are no single tenant's matter, newest first: who reached from one tenant to
    /// another, and who came without one.
    Denials {
        /// At most so many, up to 1000.
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i32).range(1..=1000))]
        limit: i32,
        /// Those that are older than this one.
        #[arg(long, value_name = "ID")]
        before: Option<Uuid>,
    },
    /// Writes the sealed events of a tenant with what proves them, a line of JSON each. Connects with
    /// DATABASE_URL as it is.
    Export {
        /// Which tenant.
        #[arg(long, value_name = "SLUG", value_parser = TenantSlug::parse)]
        tenant: TenantSlug,
        /// A new file.
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// This tenant's chain alone.
    #[arg(long, value_name = "SLUG", value_parser = TenantSlug::parse, conflicts_with = "export")]
    tenant: Option<TenantSlug>,
    /// A checkpoint that was kept in a file.
    #[arg(long, value_name = "FILE", conflicts_with = "export")]
    checkpoint: Option<PathBuf>,
    /// An export in place of the database.
    #[arg(long, value_name = "FILE")]
    pub(crate) export: Option<PathBuf>,
    /// A key that may have signed, Base64; with :NUMBER behind it, up to the checkpoint of that
    /// number. May be given several times. Default: that of audit.signing_key_file, and those of
    /// audit.earlier_public_keys; for an export, whichever it names.
    #[arg(long = "public-key", value_name = "KEY")]
    public_keys: Vec<TrustedKey>,
}

pub(crate) fn run(
    command: &Command,
    database: &Database,
    settings: &AuditSettings,
    json: bool,
) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Verify(command) => verify(command, database, settings, json),
        Command::Checkpoint { output } => {
            let key = settings.signing_key(database.home())?;
            let mut ops = database.ops()?;
            let made = ops.sign_chains(&key, Utc::now())?;
            if made.is_none() {
                println!("no chain has grown since the last checkpoint");
            }
            let newest = match made {
                Some(checkpoint) => Some(checkpoint),
                // Whoever keeps it elsewhere has the newest one in any case.
                None if output.is_some() => ops.newest_checkpoint()?,
                None => None,
            };
            let Some(checkpoint) = newest else {
                return Ok(());
            };
            if let Some(path) = output {
                fs::write(path, serde_json::to_vec_pretty(&checkpoint)?)?;
            }
            let key = STANDARD.encode(&checkpoint.public_key);
            println!(
                "checkpoint {} names {} chains, signed by {key}",
                checkpoint.number,
                checkpoint.heads.len()
            );
            Ok(())
        }
        Command::Denials { limit, before } => {
            let found = database.ops()?.platform_denials(*before, *limit)?;
            if json {
                println!("{}", serde_json::to_string_pretty(&found)?);
            } else {
                found.iter().for_each(print_denial);
            }
            Ok(())
        }
        Command::Export { tenant, output } => {
            let id = find(&mut database.ops()?, tenant)?;
            let mut file = BufWriter::new(File::create_new(output)?);
            let events = database.owner()?.export_audit(id.into(), &mut file)??;
            println!("{events} events of {tenant} are in {}", output.display());
            Ok(())
        }
    }
}

fn find(ops: &mut OpsDb, slug: &TenantSlug) -> Result<Uuid, Box<dyn Error>> {
    match ops.find_tenant(slug) {
        Ok(tenant) => Ok(tenant.id),
        Err(store::Error::NotFound) => Err(format!("there is no tenant {slug}").into()),
        Err(error) => Err(error.into()),
    }
}

fn verify(
    command: &Verify,
    database: &Database,
    settings: &AuditSettings,
    json: bool,
) -> Result<(), Box<dyn Error>> {
    let mut ops = database.ops()?;
    let tenant = match &command.tenant {
        Some(slug) => Some(find(&mut ops, slug)?),
        None => None,
    };
    let kept: Option<Checkpoint> = match &command.checkpoint {
        Some(path) => Some(serde_json::from_slice(&fs::read(path)?)?),
        None => None,
    };
    let keys = if command.public_keys.is_empty() {
        settings.trusted_keys(database.home())?
    } else {
        command.public_keys.clone()
    };
    if keys.is_empty() {
        eprintln!(
            "no key is known here: signatures are compared with the keys that stand beside them"
        );
    }
    let report = ops.examine_audit(tenant, &keys, kept.as_ref())?;
    let slugs: HashMap<Uuid, String> = ops
        .list_tenants()?
        .into_iter()
        .map(|tenant| (tenant.id, tenant.slug))
        .collect();
    let found: Vec<Found<'_>> = report
        .examinations
        .iter()
        .map(|examination| Found {
            examination,
            slug: slugs.get(&examination.tenant).map(String::as_str),
            length: report
                .chains
                .iter()
                .find(|chain| chain.tenant == examination.tenant)
                .map_or(examination.sealed, |chain| chain.seq),
        })
        .collect();
    if json {
        let tenants: Vec<_> = found.iter().map(as_json).collect();
        let whole = json!({
            "clean": report.is_clean(),
            "checkpoints": report.checkpoints,
            "signers": report.signers.iter().map(signer_as_json).collect::<Vec<_>>(),
            "checkpoint_flaw": report.flaw,
            "tenants": tenants,
        });
        println!("{}", serde_json::to_string_pretty(&whole)?);
    } else {
        found.iter().for_each(print);
        println!("{} checkpoints", report.checkpoints);
        report.signers.iter().for_each(print_signer);
    }
    match report.flaw {
        Some(flaw) => Err(Refused(flaw).into()),
        None => judge(&found),
    }
}

/// What was found of a tenant's chain, and what it is called.
struct Found<'a> {
    examination: &'a Examination,
    /// None of a tenant that is erased, and in an export.
    slug: Option<&'a str>,
    /// How many events there should be.
    length: i64,
}

/// Examines a file, and needs nothing else.
pub(crate) fn verify_export(
    path: &Path,
    command: &Verify,
    json: bool,
) -> Result<(), Box<dyn Error>> {
    let export = examine_export(&mut BufReader::new(File::open(path)?))?;
    let examination = &export.examination;
    let found = Found {
        examination,
        slug: None,
        length: export.header.events,
    };
    let signer = match &export.header.checkpoint {
        Some(signed) => Some(signer_of(signed, examination.tenant, &command.public_keys)),
        None if command.public_keys.is_empty() => {
            eprintln!(
                "no checkpoint names the chain yet: that it was not cut short, nobody has signed"
            );
            None
        }
        None => Some(Err("no checkpoint names the chain yet".to_owned())),
    };
    let signer = signer.transpose();
    if json {
        let signer = signer.as_ref().ok().and_then(Option::as_ref);
        let mut whole = as_json(&found);
        if let Some(fields) = whole.as_object_mut() {
            let signed = export.header.checkpoint.as_ref();
            let checkpoint = signed.map(|signed| {
                json!({
                    "number": signed.number,
                    "at": time_of(signed),
                    "signed": signed.head.seq,
                })
            });
            fields.insert("checkpoint".to_owned(), json!(checkpoint));
            fields.insert("signer".to_owned(), json!(signer.map(signer_as_json)));
        }
        println!("{}", serde_json::to_string_pretty(&whole)?);
    } else {
        print(&found);
    }
    if let Some(signer) = signer.map_err(Refused)? {
        if !json {
            print_signer(&signer);
            if let Some(signed) = &export.header.checkpoint {
                println!("{}", extent_of(signed, examination.sealed));
            }
        }
        if command.public_keys.is_empty() {
            eprintln!("compare the key with the operator's");
        }
    }
    judge(&[found])
}

/// When a checkpoint was made, as it says itself.
fn time_of(signed: &Signed) -> &str {
    let mut lines = signed.statement.lines();
    lines
        .find_map(|line| line.strip_prefix("at "))
        .unwrap_or("an unknown time")
}

/// How far a checkpoint reaches: behind it, an event that was changed or cut off with all that
/// follows is missed by nobody.
fn extent_of(signed: &Signed, events: i64) -> String {
    let (number, at, reach) = (signed.number, time_of(signed), signed.head.seq);
    let signs = format!("checkpoint {number} of {at} signs {reach} of {events} events");
    let next = reach.saturating_add(1);
    match events.saturating_sub(reach) {
        ..=0 => signs,
        1 => format!("{signs}; {next} is signed by nobody yet"),
        _ => format!("{signs}; {next} to {events} are signed by nobody yet"),
    }
}

/// Who has signed the checkpoint of an export, or why that does not count.
fn signer_of(signed: &Signed, tenant: Uuid, trusted: &[TrustedKey]) -> Result<Signer, String> {
    let number = signed.number;
    if !signed.is_named() || signed.head.tenant != tenant {
        return Err(format!("checkpoint {number} does not name the chain"));
    }
    let named = STANDARD.decode(&signed.public_key).unwrap_or_default();
    let signature = STANDARD.decode(&signed.signature).unwrap_or_default();
    let statement = SignedStatement {
        number,
        text: &signed.statement,
        public_key: &named,
        signature: &signature,
    };
    let public_key = statement.signer(trusted).map_err(|why| why.to_string())?;
    Ok(Signer {
        public_key,
        first: number,
        last: number,
    })
}

fn print_signer(signer: &Signer) {
    let key = STANDARD.encode(&signer.public_key);
    if signer.first == signer.last {
        println!("checkpoint {}: signed by {key}", signer.first);
    } else {
        println!(
            "checkpoints {} to {}: signed by {key}",
            signer.first, signer.last
        );
    }
}

fn signer_as_json(signer: &Signer) -> serde_json::Value {
    json!({
        "public_key": STANDARD.encode(&signer.public_key),
        "first": signer.first,
        "last": signer.last,
    })
}

fn print_denial(denial: &PlatformDenial) {
    let PlatformDenial {
        id,
        reason,
        status,
        actor_kind,
        ..
    } = denial;
    let at = denial.at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    println!(
        "{at} {status} {reason} {actor_kind}={} tenant={} selected={} address={} route={} id={id}",
        text(denial.actor_id.map(|id| id.to_string())),
        text(denial.tenant_id.map(|id| id.to_string())),
        text(denial.selected.as_ref().map(|name| format!("{name:?}"))),
        text(denial.address.map(|address| address.to_string())),
        text(denial.route.as_ref().map(|route| format!("{route:?}"))),
    );
}

fn judge(found: &[Found<'_>]) -> Result<(), Box<dyn Error>> {
    let mut flawed = found.iter().filter_map(|found| {
        let flaw = found.examination.flaw.as_ref()?;
        Some(format!("tenant {}: {flaw}", found.name()))
    });
    let Some(first) = flawed.next() else {
        return Ok(());
    };
    let why = match flawed.count() {
        0 => first,
        others => format!("{first}; and {others} more do not hold"),
    };
    Err(Refused(why).into())
}

impl Found<'_> {
    fn name(&self) -> String {
        let tenant = self.examination.tenant;
        match self.slug {
            Some(slug) => format!("{slug} ({tenant})"),
            None => tenant.to_string(),
        }
    }
}

fn print(found: &Found<'_>) {
    let (name, length) = (found.name(), found.length);
    let Examination {
        sealed,
        erased,
        unsealed,
        flaw,
        ..
    } = found.examination;
    match flaw {
        Some(flaw) => match place_of(flaw) {
            Some(place) => println!("{name}: broken at {place} of {length}: {flaw}"),
            None => println!("{name}: broken behind {length}: {flaw}"),
        },
        None => println!(
            "{name}: {sealed} events sealed, {erased} of them erased, {unsealed} not sealed yet"
        ),
    }
}

/// Where in the chain it is; `None`: not in it.
fn place_of(flaw: &Flaw) -> Option<i64> {
    match flaw {
        Flaw::Changed { seq, .. } | Flaw::Missing { seq, .. } => *seq,
        Flaw::Gap { seq }
        | Flaw::Reordered { seq, .. }
        | Flaw::Truncated { seq, .. }
        | Flaw::Rewritten { seq, .. }
        | Flaw::End { seq } => Some(*seq),
        _ => None,
    }
}

fn as_json(found: &Found<'_>) -> serde_json::Value {
    let examination = found.examination;
    json!({
        "tenant": examination.tenant,
        "slug": found.slug,
        "length": found.length,
        "sealed": examination.sealed,
        "erased": examination.erased,
        "unsealed": examination.unsealed,
        "flaw": examination.flaw.as_ref().map(ToString::to_string),
        "flaw_at": examination.flaw.as_ref().and_then(place_of),
    })
}
