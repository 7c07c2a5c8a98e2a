//! TLS to the server, and how one logs in.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use sederunt_store::DatabaseError;

use super::*;

/// The name in the server's certificate.
const NAME: &str = "database.example";

/// A server under TLS, and the files that its clients may have.
struct Secured {
    server: postgres::Postgres,
    files: tempfile::TempDir,
}

impl Secured {
    fn start() -> Self {
        let (server, files) = (server(), tempfile::tempdir().unwrap());
        let authority = authority();
        fs::write(files.path().join("ca.pem"), authority.pem()).unwrap();
        fs::write(files.path().join("other.pem"), self::authority().pem()).unwrap();
        fs::write(files.path().join("password"), "hunter2\n").unwrap();
        let data = PathBuf::from(server.execute("postgres", "show data_directory").unwrap());
        issue(&authority, NAME, &data, "server");
        issue(&authority, "carl", files.path(), "carl");
        fs::copy(files.path().join("ca.pem"), data.join("root.crt")).unwrap();
        let owner = fs::metadata(&data).unwrap();
        for file in ["server.crt", "server.key", "root.crt"] {
            chown(data.join(file), Some(owner.uid()), Some(owner.gid())).unwrap();
        }
        let rules = "hostssl all ann 127.0.0.1/32 scram-sha-256\nhostssl all carl 127.0.0.1/32 cert\nhost all postgres 127.0.0.1/32 trust\n\
                     local all all trust\n";
        fs::write(data.join("pg_hba.conf"), rules).unwrap();
        for sql in [
            "create role ann login superuser password 'hunter2'",
            "create role carl login superuser",
            "alter system set ssl_ca_file = 'root.crt'",
            "alter system set ssl = on",
            "select pg_reload_conf()",
        ] {
            server.execute("postgres", sql).unwrap();
        }
        while server.execute("postgres", "show ssl").unwrap() != "on" {}
        Self { server, files }
    }

    fn url(&self, user: &str, host: &str, parameters: &str) -> String {
        let parameters = parameters.replace("DIR", &self.files.path().display().to_string());
        format!("postgres://{user}@{host}:{}/postgres?{parameters}", self.server.port())
    }

    /// Whether the connection is under TLS, or why there is none.
    async fn look(&self, user: &str, host: &str, parameters: &str) -> Result<bool, DatabaseError> {
        let password_file = Some(self.files.path().join("password"));
        let options = PostgresOptions { password_file, arrival: Duration::ZERO, ..PostgresOptions::default() };
        Ok(Postgres::inspect(&self.url(user, host, parameters), &options).await?.is_encrypted)
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "an authority");
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Writes `file.crt` and `file.key`, of a certificate that names `name`.
fn issue(authority: &CertifiedIssuer<'static, KeyPair>, name: &str, folder: &Path, file: &str) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    fs::write(folder.join(file).with_extension("crt"), certificate.pem()).unwrap();
    let path = folder.join(file).with_extension("key");
    fs::write(&path, key.serialize_pem()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test]
async fn the_server_is_believed_as_far_as_the_url_says() {
    let secured = Secured::start();
    let here = "127.0.0.1";
    let named = format!("&hostaddr={here}");
    for (host, parameters, is_encrypted) in [
        (here, "sslmode=disable", false),
        (here, "", true),
        (here, "sslmode=require", true),
        (here, "sslmode=verify-ca&sslrootcert=DIR/ca.pem", true),
        (NAME, &format!("sslmode=verify-full&sslrootcert=DIR/ca.pem{named}"), true),
        (NAME, &format!("sslrootcert=DIR/ca.pem{named}"), true),
    ] {
        assert_eq!(secured.look("postgres", host, parameters).await.unwrap(), is_encrypted, "{parameters}");
    }
    for parameters in [
        "sslmode=verify-full&sslrootcert=DIR/ca.pem",
        "sslmode=verify-ca&sslrootcert=DIR/other.pem",
        "sslmode=require&sslrootcert=DIR/other.pem",
        "sslmode=verify-ca",
    ] {
        let error = secured.look("postgres", here, parameters).await.unwrap_err();
        assert!(matches!(error, DatabaseError::Unreachable { .. }), "{parameters}: {error}");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    for parameters in ["sslmode=verify-full&sslrootcert=DIR/none.pem", "sslmode=require&sslcert=DIR/carl.crt"] {
        let error = secured.look("postgres", here, parameters).await.unwrap_err();
        assert!(matches!(error, DatabaseError::Tls { .. }), "{parameters}: {error}");
    }
}

#[tokio::test]
async fn one_logs_in_by_a_password_bound_to_the_connection_or_by_a_certificate() {
    let secured = Secured::start();
    let here = "127.0.0.1";
    assert!(secured.look("ann", here, "sslmode=require&channel_binding=require").await.unwrap());
    assert!(secured.look("carl", here, "sslmode=require&sslcert=DIR/carl.crt&sslkey=DIR/carl.key").await.unwrap());
    fs::write(secured.files.path().join("password"), "hunter3").unwrap();
    for (user, parameters) in [("ann", "sslmode=require"), ("carl", "sslmode=require"), ("ann", "sslmode=disable")] {
        let error = secured.look(user, here, parameters).await.unwrap_err();
        assert!(matches!(error, DatabaseError::Refused { .. }), "{user} {parameters}: {error}");
        assert!(!error.to_string().contains("hunter"), "{error}");
    }
}
