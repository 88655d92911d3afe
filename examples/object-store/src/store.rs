//! The store: which one an address means, where the disk is in it, and what its errors become.

use std::ffi::OsStr;
use std::ops::Range;
use std::path::{Path as Directory, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use nbdkit_script::{Error, FromParameter, Result, ResultExt, errno};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    Error as Failure, ObjectStore, ObjectStoreExt, ObjectStoreScheme, PutMode, PutOptions,
};
use url::Url;

/// The URL of a disk. For a directory, the user may write a plain path.
#[derive(Clone, Debug, Default)]
pub struct Address(pub String);

impl FromParameter for Address {
    const VALUE: &'static str = "<URL>";

    fn from_parameter(name: &str, value: &OsStr) -> Result<Self> {
        let text = String::from_parameter(name, value)?;
        if text.contains("://") {
            return Ok(Address(text));
        }
        let directory = PathBuf::from_parameter(name, value)?;
        let url = Url::from_file_path(directory);
        Ok(Address(url.map_err(|()| format!("{name}={text}: not a directory"))?.into()))
    }
}

/// A place in a store that holds all objects of the disk.
#[derive(Clone, Debug)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    prefix: Path,
}

impl Store {
    /// Opens the store of an address, without a request. Later requests are retried for `patience`
    /// if the store does not answer.
    pub fn open(address: &str, patience: Duration) -> Result<Store> {
        #[cfg(test)]
        if let Some(objects) = crate::tests::faulty::named(address) {
            return Ok(Store { objects, prefix: Path::from("disk") });
        }
        let url = Url::parse(address)?;
        let (scheme, prefix) = ObjectStoreScheme::parse(&url)?;
        match scheme {
            ObjectStoreScheme::Local => {
                let directory = url.to_file_path();
                Store::local(&directory.map_err(|()| "not the URL of a directory")?)
            }
            #[cfg(feature = "cloud")]
            scheme => Ok(Store { objects: cloud::open(scheme, address, patience)?, prefix }),
            #[cfg(not(feature = "cloud"))]
            _ => {
                let _ = (prefix, patience);
                Err(unknown())
            }
        }
    }

    /// Opens a directory as a store. Each put ends with an fsync.
    fn local(directory: &Directory) -> Result<Store> {
        let objects = LocalFileSystem::new_with_prefix(directory)
            .context(format_args!("the directory {}", directory.display()))?;
        Ok(Store { objects: Arc::new(objects.with_fsync(true)), prefix: Path::default() })
    }

    fn path(&self, name: &str) -> Path {
        self.prefix.parts().chain(Path::from(name).parts()).collect()
    }

    /// Gets a whole object; `None` if there is none.
    pub async fn get(&self, name: &str) -> Result<Option<Bytes>> {
        let found = async { self.objects.get(&self.path(name)).await?.bytes().await }.await;
        if_found(found).map_err(failed("get", name))
    }

    /// Gets a part of an object; `None` if there is no such object.
    pub async fn get_range(&self, name: &str, range: Range<u64>) -> Result<Option<Bytes>> {
        let length = range.end - range.start;
        let found = if_found(self.objects.get_range(&self.path(name), range).await);
        let found = found.map_err(failed("get", name))?;
        if let Some(bytes) = &found
            && bytes.len() as u64 != length
        {
            let found = bytes.len();
            return Err(format!("get {name}: found {found} bytes, expected {length}").into());
        }
        Ok(found)
    }

    pub async fn put(&self, name: &str, data: impl Into<Bytes>) -> Result<()> {
        let done = self.objects.put(&self.path(name), data.into().into()).await;
        done.map_err(failed("put", name)).map(drop)
    }

    /// Puts an object only if there is none of that name. Returns whether it did.
    pub async fn create(&self, name: &str, text: String) -> Result<bool> {
        let options = PutOptions::from(PutMode::Create);
        match self.objects.put_opts(&self.path(name), text.into(), options).await {
            Ok(_) => Ok(true),
            Err(Failure::AlreadyExists { .. } | Failure::Precondition { .. }) => Ok(false),
            Err(failure) => Err(failed("create", name)(failure)),
        }
    }

    pub async fn delete(&self, name: &str) -> Result<()> {
        let done = if_found(self.objects.delete(&self.path(name)).await);
        done.map_err(failed("delete", name)).map(drop)
    }

    /// The last parts of the names of all objects in a directory.
    pub async fn list(&self, directory: &str) -> Result<Vec<String>> {
        let objects = self.objects.list(Some(&self.path(directory)));
        let names = objects
            .map_ok(|object| object.location.filename().unwrap_or_default().to_owned())
            .try_collect();
        names.await.map_err(failed("list", directory))
    }

    /// Whether a directory contains any object.
    pub async fn has_any(&self, directory: &str) -> Result<bool> {
        let mut objects = self.objects.list(Some(&self.path(directory)));
        let first = objects.try_next().await;
        first.map_err(failed("list", directory)).map(|first| first.is_some())
    }
}

/// Turns "not found" into `None`.
fn if_found<T>(found: object_store::Result<T>) -> object_store::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Failure::NotFound { .. }) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Converts an error of the store. Clients get `EIO`, except for the few errnos that mean something
/// to them.
fn failed(what: &str, name: &str) -> impl FnOnce(Failure) -> Error {
    move |failure| {
        let error = Error::from(failure).context(format_args!("{what} {name}"));
        match error.errno() {
            errno::ENOSPC | errno::EDQUOT | errno::ENOMEM => error,
            _ => error.with_errno(errno::EIO),
        }
    }
}

/// Creates the directory for a new disk.
pub fn make_directory(address: &str) -> Result<()> {
    match Url::parse(address).map(|url| url.to_file_path()) {
        Ok(Ok(directory)) if address.starts_with("file:") => {
            let made = std::fs::create_dir_all(&directory);
            Ok(made.context(format_args!("the directory {}", directory.display()))?)
        }
        _ => Ok(()),
    }
}

fn unknown() -> Error {
    let known = [
        ("s3://", "aws", cfg!(feature = "aws")),
        ("gs://", "gcp", cfg!(feature = "gcp")),
        ("az://", "azure", cfg!(feature = "azure")),
    ];
    let known = known.map(|(scheme, feature, is_built)| {
        if is_built { scheme.to_owned() } else { format!("{scheme} (with the feature {feature})") }
    });
    Error::invalid(format!("expected a directory, {}", known.join(", ")))
}

#[cfg(feature = "cloud")]
mod cloud {
    use super::*;

    use object_store::RetryConfig;

    /// Credentials and all other configuration come from the environment.
    pub(super) fn open(
        scheme: ObjectStoreScheme,
        address: &str,
        patience: Duration,
    ) -> Result<Arc<dyn ObjectStore>> {
        // Fails if a provider is already installed, which is just as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let retry =
            RetryConfig { retry_timeout: patience, max_retries: 1000, ..Default::default() };
        macro_rules! built {
            ($builder:ty) => {
                Arc::new(<$builder>::from_env().with_url(address).with_retry(retry).build()?)
            };
        }
        Ok(match scheme {
            #[cfg(feature = "aws")]
            ObjectStoreScheme::AmazonS3 => built!(object_store::aws::AmazonS3Builder),
            #[cfg(feature = "gcp")]
            ObjectStoreScheme::GoogleCloudStorage => {
                built!(object_store::gcp::GoogleCloudStorageBuilder)
            }
            #[cfg(feature = "azure")]
            ObjectStoreScheme::MicrosoftAzure => built!(object_store::azure::MicrosoftAzureBuilder),
            _ => return Err(unknown()),
        })
    }
}
