//! Files by their content: named by SHA-256, sealed, written once, on the disk before the row that names them.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::StoreError;
use sealing::Keys;

/// A folder of sealed files.
#[derive(Debug, Clone)]
pub struct Blobs {
    root: PathBuf,
}

/// Whether this is the name of the content.
pub(crate) fn is_named(content: &[u8], name: &str) -> bool {
    hex::encode(Sha256::digest(content)) == name
}

/// Writes a file so that its name stands for the whole of it or for what was there before.
fn write_whole(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = folder.join(format!(".{name}.{:08x}", rand::random::<u32>()));
    let mut file = File::create(&draft)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    // The name is on the disk only once the folder is.
    File::open(folder)?.sync_all()
}

impl Blobs {
    /// Opens (and makes) the folder.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = root.into();
        fs::create_dir_all(&root)?;
        Ok(Self { root })
    }

    fn path(&self, hash: &str) -> Result<PathBuf, StoreError> {
        let hexadecimal = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
        let folder = hash.get(..2).filter(|_| hexadecimal).ok_or(StoreError::Value("blob hash"))?;
        Ok(self.root.join(folder).join(hash))
    }

    /// Whether the folder can be written to.
    ///
    /// # Errors
    /// When it can't.
    pub fn ping(&self) -> Result<(), StoreError> {
        let probe = self.root.join(".probe");
        fs::write(&probe, b"")?;
        Ok(fs::remove_file(probe)?)
    }

    /// Seals and keeps `content`; returns its hash. Kept already is kept once.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn put(&self, keys: &Keys, content: &[u8]) -> Result<String, StoreError> {
        let hash = hex::encode(Sha256::digest(content));
        let path = self.path(&hash)?;
        if path.exists() {
            return Ok(hash);
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let sealed = keys.seal(&format!("blob:{hash}"), content)?;
        write_whole(&path, &sealed)?;
        File::open(&self.root)?.sync_all()?;
        Ok(hash)
    }

    /// The folders that hold files, in their order.
    fn folders(&self) -> Result<Vec<String>, StoreError> {
        let mut folders = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_dir() && name.len() == 2 {
                folders.push(name);
            }
        }
        folders.sort();
        Ok(folders)
    }

    /// The names of all files: hashes of their content. Drafts that a crash left behind are none.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn names(&self) -> Result<Vec<String>, StoreError> {
        let mut names = Vec::new();
        for folder in self.folders()? {
            for entry in fs::read_dir(self.root.join(folder))? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                if name.len() == 64 {
                    names.push(name);
                }
            }
        }
        names.sort();
        Ok(names)
    }

    /// Copies a file, sealed as it is, into another place.
    ///
    /// # Errors
    /// When it can't be read or written.
    pub fn copy(&self, hash: &str, to: &Self) -> Result<(), StoreError> {
        let path = to.path(hash)?;
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        Ok(write_whole(&path, &fs::read(self.path(hash)?)?)?)
    }

    /// Seals the files of the folder after `after` with the newest key, where an older one had; its name, or none when
    /// there is no folder left.
    pub(crate) fn renew_folder(
        &self,
        keys: &Keys,
        after: &str,
        unopened: &mut u64,
    ) -> Result<Option<String>, StoreError> {
        let Some(folder) = self.folders()?.into_iter().find(|folder| folder.as_str() > after) else { return Ok(None) };
        for entry in fs::read_dir(self.root.join(&folder))? {
            let hash = entry?.file_name().to_string_lossy().into_owned();
            if hash.len() != 64 {
                continue;
            }
            let path = self.path(&hash)?;
            let renewed = keys.renewed(&format!("blob:{hash}"), &fs::read(&path)?);
            if let Some(renewed) = crate::rotation::opened(renewed, unopened)? {
                write_whole(&path, &renewed)?;
            }
        }
        Ok(Some(folder))
    }

    /// Opens what has this hash.
    ///
    /// # Errors
    /// `Missing` when there is none; `Sealed` when it is damaged.
    pub fn get(&self, keys: &Keys, hash: &str) -> Result<Vec<u8>, StoreError> {
        let sealed = match fs::read(self.path(hash)?) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(StoreError::Missing),
            Err(error) => return Err(error.into()),
        };
        Ok(keys.open(&format!("blob:{hash}"), &sealed)?)
    }
}
