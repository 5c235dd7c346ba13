//! Certificates made on the spot: an authority, a server for `localhost` only, a client, and an authority nobody knows.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

pub struct Certificates {
    pub folder: tempfile::TempDir,
    /// The authority of server and client.
    pub ca: PathBuf,
    /// Another one.
    pub stranger: PathBuf,
    pub server: (PathBuf, PathBuf),
    pub client: (PathBuf, PathBuf),
    /// The same client as PKCS #12, and the file with its password.
    pub client_p12: (PathBuf, PathBuf),
    /// A client that the stranger signed.
    pub impostor: (PathBuf, PathBuf),
}

impl Certificates {
    /// The client's certificate is for that user.
    pub fn new(user: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("tls").tempdir().unwrap();
        let path = folder.path();
        open_to_all(path);
        let (ours, theirs) = (authority("ours"), authority("theirs"));
        let write = |name: &str, text: &str| {
            let file = path.join(name);
            std::fs::write(&file, text).unwrap();
            file
        };
        let pair = |name: &str, issuer: &CertifiedIssuer<'_, KeyPair>, cn: &str, usage| {
            let key = KeyPair::generate().unwrap();
            let names = if cn == "localhost" { vec![cn.to_owned()] } else { Vec::new() };
            let mut params = CertificateParams::new(names).unwrap();
            params.distinguished_name.push(DnType::CommonName, cn);
            params.extended_key_usages = vec![usage];
            let certificate = params.signed_by(&key, issuer).unwrap();
            let files = (
                write(&format!("{name}.pem"), &certificate.pem()),
                write(&format!("{name}.key"), &key.serialize_pem()),
            );
            (files, certificate.der().to_vec(), key.serialize_der())
        };
        let (server, ..) = pair("server", &ours, "localhost", ExtendedKeyUsagePurpose::ServerAuth);
        let (client, der, key) = pair("client", &ours, user, ExtendedKeyUsagePurpose::ClientAuth);
        let (impostor, ..) = pair("impostor", &theirs, user, ExtendedKeyUsagePurpose::ClientAuth);
        let p12 = path.join("client.p12");
        std::fs::write(&p12, pkcs12(&der, &key)).unwrap();
        let password = write("client.p12.password", "p12 pässword\n");
        Self {
            ca: write("ca.pem", &ours.pem()),
            stranger: write("stranger.pem", &theirs.pem()),
            server,
            client,
            client_p12: (p12, password),
            impostor,
            folder,
        }
    }
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, format!("{name} authority"));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn pkcs12(certificate: &[u8], key: &[u8]) -> Vec<u8> {
    use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKeyChain};
    let certificate = Certificate::from_der(certificate).unwrap();
    let mut store = KeyStore::new();
    store.add_entry("client", KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new(key, [1], [certificate])));
    store.writer("p12 pässword").write().unwrap()
}

/// PostgreSQL runs as somebody else when the test runs as root.
fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}
