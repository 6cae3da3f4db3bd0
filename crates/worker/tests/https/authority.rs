//! Certificates made for one test: an authority and what it signs. Nothing here outlives the process,
//! apart from the authority's own certificate where a test writes it down.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate of a server with its key.
pub(super) struct Certified {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) key: PrivateKeyDer<'static>,
}

/// A certificate authority.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// An authority with a key of its own. Two of the same `name` differ in the key alone.
    pub(super) fn new(name: &str) -> Self {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its own certificate, as a trust store holds it.
    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for the host `name`, valid now.
    pub(super) fn certify(&self, name: &str) -> Certified {
        self.sign(CertificateParams::new([name.to_owned()]).unwrap())
    }

    /// A certificate for the host `name` that was valid once.
    pub(super) fn certify_in_the_past(&self, name: &str) -> Certified {
        let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
        parameters.not_before = date_time_ymd(2001, 1, 1);
        parameters.not_after = date_time_ymd(2002, 1, 1);
        self.sign(parameters)
    }

    fn sign(&self, parameters: CertificateParams) -> Certified {
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.0).unwrap();
        Certified { certificate: certificate.der().clone(), key: key.into() }
    }
}
