//! The development root: a certificate authority made once and kept, so that a client has to trust it only once, and a
//! certificate for this machine's own names made under it at each start.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::pki_types::PrivateKeyDer;
use sederunt_core::clock::Time;
use sederunt_web::tls::{self, Tls};

use crate::ready::write_whole;

/// The names under which a development server is reached.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The root's certificate file, and what a listener needs to serve under it.
#[derive(Debug)]
pub struct Root {
    /// The PEM file that clients are to trust.
    pub ca: PathBuf,
    /// A certificate for [`NAMES`] under it.
    pub tls: Tls,
}

/// Where the root is kept when there is no data directory: the user's state directory.
pub fn state_directory() -> PathBuf {
    let state = std::env::var_os("XDG_STATE_HOME").filter(|d| !d.is_empty()).map(PathBuf::from);
    let home = || std::env::var_os("HOME").filter(|d| !d.is_empty()).map(|h| PathBuf::from(h).join(".local/state"));
    state.or_else(home).unwrap_or_else(std::env::temp_dir).join("sederunt")
}

/// The root kept in `folder`, made there if there is none yet.
pub fn load_or_make(folder: &Path, now: Time) -> anyhow::Result<Root> {
    make_folder(folder).with_context(|| format!("making {}", folder.display()))?;
    let kept = folder.join("root-key.pem");
    if !kept.exists() {
        make(&kept)?;
    }
    let text = fs::read_to_string(&kept).with_context(|| format!("reading {}", kept.display()))?;
    let key = KeyPair::from_pem(&text).with_context(|| format!("reading the key in {}", kept.display()))?;
    let certificate = text.find("-----BEGIN CERTIFICATE-----").and_then(|at| text.get(at..));
    let certificate = certificate.with_context(|| format!("{} holds no certificate", kept.display()))?;
    let ca = folder.join("root.pem");
    write_whole(&ca, certificate.as_bytes()).with_context(|| format!("writing {}", ca.display()))?;
    Ok(Root { ca, tls: leaf(key, now)? })
}

/// Makes the folder, for this user alone: it may be the data directory.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Makes a key and its certificate, in one file. Where two processes do so at once, the first one's stays.
fn make(kept: &Path) -> anyhow::Result<()> {
    let key = KeyPair::generate()?;
    let certificate = authority().self_signed(&key)?;
    let text = format!("{}{}", key.serialize_pem(), certificate.pem());
    let folder = kept.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, text.as_bytes())?;
    match file.persist_noclobber(kept) {
        Ok(_) => Ok(()),
        Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(e.error).with_context(|| format!("writing {}", kept.display())),
    }
}

/// The authority's certificate. The same at each start but for the key, so that what is signed under it names it right.
fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Sederunt development root");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// A key and a certificate for this machine's own names, good for a year and a little.
fn leaf(authority_key: KeyPair, now: Time) -> anyhow::Result<Tls> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(NAMES.map(str::to_owned))?;
    params.distinguished_name.push(DnType::CommonName, "Sederunt development server");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let day = Duration::from_secs(86_400);
    let (year, month, date) = date_of(Time::from_nanos(now.nanos().saturating_sub(day.as_nanos() as i64)))?;
    params.not_before = date_time_ymd(year, month, date);
    let (year, month, date) = date_of(now.plus(day * 397))?;
    params.not_after = date_time_ymd(year, month, date);
    let certificate = params.signed_by(&key, &Issuer::new(authority(), authority_key))?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
    Ok(tls::from_parts(vec![certificate.der().clone()], key)?)
}

fn date_of(time: Time) -> anyhow::Result<(i32, u8, u8)> {
    let text = time.to_string();
    let mut fields = text.split(['-', 'T']);
    let mut next = || fields.next().context("a time has a date");
    Ok((next()?.parse()?, next()?.parse()?, next()?.parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let now = Time::parse("2026-01-31T00:00:00Z").unwrap();
        let first = fs::read(load_or_make(folder.path(), now).unwrap().ca).unwrap();
        let second = fs::read(load_or_make(folder.path(), now).unwrap().ca).unwrap();
        assert_eq!(first, second);
        assert!(!String::from_utf8(first).unwrap().contains("PRIVATE"));
    }
}
