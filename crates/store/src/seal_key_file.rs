//! The file in which a home's seal keys stand, as `rowhouse-admin key` changes it: `seal.key_file`, or
//! `credentials.toml`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use tenant_db::SealKey;

use crate::credentials::{
    Contents, CredentialsError, FILE, SealSettings, generate_seal_key, parse_seal_keys, read_lines,
};

/// Keys in a file, of which the first one signs. Nobody else changes it while this value is there.
#[derive(Debug)]
pub struct SealKeyFile {
    path: PathBuf,
    form: Form,
    /// Of the folder: the file itself is replaced.
    _lock: File,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    /// `kid:secret` each.
    Lines,
    Credentials,
}

/// What a file will hold once it is put in place. Without that it goes.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    target: PathBuf,
}

impl SealSettings {
    /// The file with this home's keys; `None`: the settings hold the keys themselves.
    ///
    /// # Errors
    /// [`CredentialsError::Io`].
    pub fn file(&self, home: &Path) -> Result<Option<SealKeyFile>, CredentialsError> {
        let (path, form) = match &self.key_file {
            Some(path) => (path.clone(), Form::Lines),
            None if self.keys.is_empty() => (home.join(FILE), Form::Credentials),
            None => return Ok(None),
        };
        // A link stays one: what it leads to is replaced.
        let path = fs::canonicalize(&path).map_err(|e| io_error(&path, e))?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        let lock = File::open(folder).and_then(|file| file.lock().map(|()| file));
        let lock = lock.map_err(|e| io_error(folder, e))?;
        Ok(Some(SealKeyFile {
            path,
            form,
            _lock: lock,
        }))
    }
}

impl SealKeyFile {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its keys; the first one signs.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub fn keys(&self) -> Result<Vec<SealKey>, CredentialsError> {
        parse_seal_keys(&self.lines()?, &self.path)
    }

    /// The file with a new key before all others, which is answered with it.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub fn with_new_key(&self) -> Result<(SealKey, Draft), CredentialsError> {
        let mut lines = self.lines()?;
        lines.insert(0, generate_seal_key());
        let keys = parse_seal_keys(&lines, &self.path)?;
        let key = keys.into_iter().next().ok_or_else(|| self.empty())?;
        Ok((key, self.draft(lines)?))
    }

    /// The file without the key of this name; `None`: it does not hold it.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub fn without(&self, kid: &str) -> Result<Option<Draft>, CredentialsError> {
        let lines = self.lines()?;
        let is_it = |line: &String| line.trim().split(':').next() == Some(kid);
        if !lines.iter().any(is_it) {
            return Ok(None);
        }
        let kept = lines.into_iter().filter(|line| !is_it(line)).collect();
        self.draft(kept).map(Some)
    }

    fn lines(&self) -> Result<Vec<String>, CredentialsError> {
        match self.form {
            Form::Lines => read_lines(&self.path),
            Form::Credentials => Ok(self.contents()?.seal.keys),
        }
    }

    fn contents(&self) -> Result<Contents, CredentialsError> {
        let text = fs::read_to_string(&self.path).map_err(|e| io_error(&self.path, e))?;
        Contents::parse(&text, &self.path)
    }

    /// Written and on the disk, under the owner and with the mode of what it will replace.
    fn draft(&self, lines: Vec<String>) -> Result<Draft, CredentialsError> {
        let text = match self.form {
            Form::Lines => lines.join("\n") + "\n",
            Form::Credentials => {
                let mut contents = self.contents()?;
                contents.seal.keys = lines;
                contents.to_text()
            }
        };
        let mut name = self.path.clone().into_os_string();
        name.push(".new");
        let draft = Draft {
            path: name.into(),
            target: self.path.clone(),
        };
        let written = || {
            let former = fs::metadata(&self.path)?;
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&draft.path)?;
            fchown(&file, Some(former.uid()), Some(former.gid()))?;
            let mode = former.permissions().mode();
            file.set_permissions(fs::Permissions::from_mode(mode))?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        written().map_err(|e| io_error(&draft.path, e))?;
        Ok(draft)
    }

    fn empty(&self) -> CredentialsError {
        CredentialsError::Malformed {
            path: self.path.clone(),
            reason: "it holds no key".to_owned(),
        }
    }
}

impl Draft {
    /// Puts it in place.
    ///
    /// # Errors
    /// [`CredentialsError::Io`].
    pub fn keep(self) -> Result<(), CredentialsError> {
        fs::rename(&self.path, &self.target).map_err(|e| io_error(&self.target, e))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Nothing is there after `keep`.
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            log::warn!(path:% = self.path.display(), error:% = error; "a draft with a key was left behind");
        }
    }
}

fn io_error(path: &Path, source: io::Error) -> CredentialsError {
    CredentialsError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::Credentials;

    fn kids(keys: &[SealKey]) -> Vec<&str> {
        keys.iter().map(SealKey::kid).collect()
    }

    #[test]
    fn a_new_key_comes_first_and_all_else_stays() {
        let home = tempfile::tempdir().unwrap();
        let before = Credentials::load_or_create(home.path()).unwrap();
        let old = kids(before.seal_keys())[0].to_owned();
        let file = SealSettings::default().file(home.path()).unwrap().unwrap();
        let (key, draft) = file.with_new_key().unwrap();
        assert_eq!(kids(&file.keys().unwrap()), [&old]);
        draft.keep().unwrap();
        assert_eq!(kids(&file.keys().unwrap()), [key.kid(), &old]);
        file.without(&old).unwrap().unwrap().keep().unwrap();
        assert!(file.without(&old).unwrap().is_none());
        let after = Credentials::load_or_create(home.path()).unwrap();
        assert_eq!(kids(after.seal_keys()), [key.kid()]);
        use secrecy::ExposeSecret as _;
        assert_eq!(
            before.secret_key().expose_secret(),
            after.secret_key().expose_secret()
        );
    }

    #[test]
    fn a_key_file_keeps_its_mode_and_a_link_to_it_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "old:0123456789abcdef0123456789abcdef\n\n").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let settings = SealSettings {
            keys: Vec::new(),
            key_file: Some(link.clone()),
        };
        let file = settings.file(folder.path()).unwrap().unwrap();
        let (key, draft) = file.with_new_key().unwrap();
        drop(draft);
        assert_eq!(kids(&file.keys().unwrap()), ["old"]);
        let names = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 2, "a draft was left behind");
        let (next, draft) = file.with_new_key().unwrap();
        assert_ne!(key.kid(), next.kid());
        draft.keep().unwrap();
        assert_eq!(kids(&file.keys().unwrap()), [next.kid(), "old"]);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&real).unwrap().mode() & 0o777, 0o640);
    }

    #[test]
    fn keys_in_the_settings_themselves_have_no_file() {
        let home = tempfile::tempdir().unwrap();
        let settings = SealSettings {
            keys: vec!["own:0123456789abcdef0123456789abcdef".to_owned().into()],
            key_file: None,
        };
        assert!(settings.file(home.path()).unwrap().is_none());
    }
}
