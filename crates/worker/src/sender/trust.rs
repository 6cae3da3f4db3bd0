//! TLS to targets: the protocols that are offered, and whom the sender trusts, which is whom the host trusts.
//!
//! Set up once for the clients of all ports: reading and parsing the root certificates takes longer than all else of a
//! start together.

use std::sync::Arc;

use data_encoding::BASE64_MIME;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::{CertificateResult, load_native_certs};

use super::SenderError;

/// The variables that say where root certificates are, if not where the host has them.
const NAMED_BY: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// What every client sets up its TLS connections with.
///
/// # Errors
/// When this host has no root certificates.
pub(super) fn tls() -> Result<ClientConfig, SenderError> {
    let mut roots = RootCertStore::empty();
    let found = certificates();
    for error in found.errors {
        tracing::warn!(%error, "root certificates of this host could not be read");
    }
    let (_added, unusable) = roots.add_parsable_certificates(found.certs);
    if unusable > 0 {
        tracing::warn!("{unusable} root certificates of this host cannot be used");
    }
    if roots.is_empty() {
        return Err(SenderError::NoRoots);
    }
    let mut tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tls)
}

/// The host's root certificates, from the one file that holds all of them if it has one: as a rule its folders hold the
/// same ones, each in a file of its own.
fn certificates() -> CertificateResult {
    let mut found = CertificateResult::default();
    if NAMED_BY.iter().all(|name| std::env::var_os(name).is_none())
        && let Some(file) = openssl_probe::probe().cert_file
        && let Ok(text) = std::fs::read_to_string(file)
    {
        found.certs = in_bundle(&text).unwrap_or_default();
    }
    if found.certs.is_empty() { load_native_certs() } else { found }
}

/// The certificates in a file of them (RFC 7468); none if one of them is written in a way of its own. The reader that comes
/// with TLS knows those ways. It is made for keys and takes the same time whatever they are, which is more than twice as
/// long.
fn in_bundle(text: &str) -> Option<Vec<CertificateDer<'static>>> {
    text.split("-----BEGIN CERTIFICATE-----")
        .filter_map(|from| from.split_once("-----END CERTIFICATE-----"))
        .map(|(lines, _)| Some(BASE64_MIME.decode(lines.as_bytes()).ok()?.into()))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use rustls_native_certs::load_certs_from_paths;

    use super::*;

    #[test]
    fn a_bundle_is_read_as_the_reader_for_keys_reads_it() {
        let names = ["a.example", "b.example", "c.example"];
        let certified =
            names.map(|name| rcgen::generate_simple_self_signed([name.to_owned()]).unwrap());
        let mut text = "# Müller's roots\n".to_owned();
        for one in certified {
            text += &format!("\n# One\r\n{}{}", one.signing_key.serialize_pem(), one.cert.pem());
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, &text).unwrap();
        let expected = load_certs_from_paths(Some(file.path()), None).certs;
        let mut found = in_bundle(&text).unwrap();
        found.sort_unstable_by(|one, other| one.as_ref().cmp(other.as_ref()));
        assert_eq!((found.len(), found), (names.len(), expected));
        let with_spaces = text.replace("-----END", " -----END");
        assert_eq!(in_bundle(&with_spaces), None, "left to the other reader");
    }
}
