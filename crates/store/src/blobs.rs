//! Files by their content: named by SHA-256, sealed, written once, on the disk before the row that names them.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::StoreError;
use crate::sealing::Keys;

/// A folder of sealed files.
#[derive(Debug, Clone)]
pub struct Blobs {
    root: PathBuf,
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
        let draft = folder.join(format!(".{hash}.{:08x}", rand::random::<u32>()));
        let mut file = File::create(&draft)?;
        file.write_all(&sealed)?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        // The name is on the disk only once the folder is.
        File::open(folder)?.sync_all()?;
        File::open(&self.root)?.sync_all()?;
        Ok(hash)
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
        keys.open(&format!("blob:{hash}"), &sealed)
    }
}
