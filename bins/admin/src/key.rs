//! `rowhouse-admin key`: the seal keys, in the database and in this home's file. The database is
//! changed by its owner: a role that could add keys would speak for every tenant. Secrets are never
//! printed.

use std::error::Error;
use std::path::Path;

use clap::Subcommand;
use comfy_table::{Table, presets};
use serde::Serialize;
use serde_json::json;
use store::{CredentialsError, SealSettings};
use tenant_db::{KnownSealKey, SealKey};

use crate::Refused;
use crate::database::Database;
use crate::settings::Settings;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The keys that the database knows, and which of them this home has.
    List,
    /// Makes a new key, registers it, and puts it before all others into seal.key_file, or else into
    /// credentials.toml: servers that start from there seal with it. The former keys are accepted until
    /// they are retired.
    Rotate,
    /// Ends a key: no seal of it is accepted any more. Takes it out of this home's file.
    Retire {
        /// Its name.
        kid: String,
        /// In so many minutes; of a key that has ended already, when it ends anew.
        #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=525_600))]
        minutes: u32,
    },
}

/// A key as the list shows it.
#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    key: KnownSealKey,
    /// `signs` for the first one of this home, `kept` for others that it has.
    here: Option<&'static str>,
}

pub(crate) fn run(
    command: &Command,
    database: &Database,
    settings: &Settings,
    json: bool,
) -> Result<(), Box<dyn Error>> {
    match command {
        Command::List => list(database, &settings.seal, json),
        Command::Rotate => rotate(database, settings, json),
        Command::Retire { kid, minutes } => retire(database, &settings.seal, kid, *minutes, json),
    }
}

fn list(database: &Database, seal: &SealSettings, json: bool) -> Result<(), Box<dyn Error>> {
    let known = database.owner()?.seal_keys()?;
    let own = own_keys(database.home(), seal)?;
    let listed = known.into_iter().map(|key| Listed {
        here: here(&own, &key.kid),
        key,
    });
    print(listed.collect(), json)
}

fn rotate(database: &Database, settings: &Settings, json: bool) -> Result<(), Box<dyn Error>> {
    let Some(file) = settings.seal.file(database.home())? else {
        let why = "seal.keys holds the keys: let seal.key_file name a file with them, one a line, \
                   that can be written";
        return Err(Refused(why.to_owned()).into());
    };
    let mut owner = database.owner()?;
    let (key, draft) = file.with_new_key()?;
    let kid = key.kid().to_owned();
    for key in settings.database.seal_keys(vec![key]) {
        owner.add_seal_key(&key)?;
    }
    // From here on the key is known. Without this it would be nobody's, and harm nobody.
    draft.keep()?;
    let path = file.path().display().to_string();
    if json {
        println!(
            "{}",
            serde_json::to_string_pretty(&json!({ "kid": kid, "file": path }))?
        );
    } else {
        println!("{kid} is registered and comes first in {path}");
        println!("bring it to every server and restart them, then retire the former key");
    }
    Ok(())
}

fn retire(
    database: &Database,
    seal: &SealSettings,
    kid: &str,
    minutes: u32,
    json: bool,
) -> Result<(), Box<dyn Error>> {
    // Held to the end: nobody makes another key the first one meanwhile.
    let file = seal.file(database.home())?;
    let own = own_keys_in(file.as_ref(), seal)?;
    if here(&own, kid) == Some(SIGNS) {
        let why =
            format!("servers of this home seal with {kid}: `rowhouse-admin key rotate` first");
        return Err(Refused(why).into());
    }
    let mut owner = database.owner()?;
    let retired = match owner.retire_seal_key(kid, minutes.saturating_mul(60)) {
        Ok(retired) => retired.ok_or_else(|| format!("there is no seal key {kid}"))?,
        Err(store::Error::Database(error @ tenant_db::Error::LastSealKey { .. })) => {
            return Err(Refused(error.to_string()).into());
        }
        Err(error) => return Err(error.into()),
    };
    match &file {
        Some(file) => file.without(kid)?.map_or(Ok(()), store::Draft::keep)?,
        None if here(&own, kid).is_some() => eprintln!("take {kid} out of seal.keys"),
        None => {}
    }
    print(
        vec![Listed {
            here: None,
            key: retired,
        }],
        json,
    )
}

const SIGNS: &str = "signs";

fn here(own: &[SealKey], kid: &str) -> Option<&'static str> {
    let place = own.iter().position(|key| key.kid() == kid)?;
    Some(if place == 0 { SIGNS } else { "kept" })
}

fn own_keys(home: &Path, seal: &SealSettings) -> Result<Vec<SealKey>, CredentialsError> {
    own_keys_in(seal.file(home)?.as_ref(), seal)
}

fn own_keys_in(
    file: Option<&store::SealKeyFile>,
    seal: &SealSettings,
) -> Result<Vec<SealKey>, CredentialsError> {
    match file {
        Some(file) => file.keys(),
        None => seal.own_keys(),
    }
}

fn print(keys: Vec<Listed>, json: bool) -> Result<(), Box<dyn Error>> {
    if json {
        println!("{}", serde_json::to_string_pretty(&keys)?);
        return Ok(());
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header([
        "kid",
        "accepted",
        "since",
        "made by",
        "until",
        "retired by",
        "bound",
        "here",
    ]);
    let word = |is: bool| if is { "yes" } else { "no" };
    for Listed { key, here } in keys {
        table.add_row([
            key.kid,
            word(key.accepted).to_owned(),
            key.since,
            key.made_by,
            key.until.unwrap_or_default(),
            key.retired_by.unwrap_or_default(),
            word(key.bound).to_owned(),
            here.unwrap_or_default().to_owned(),
        ]);
    }
    println!("{}", table.trim_fmt());
    Ok(())
}
