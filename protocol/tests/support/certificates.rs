//! Certificates made at test time: an authority, and what it issues.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use std::collections::BTreeMap;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

type Properties = BTreeMap<&'static str, String>;

/// An authority of its own.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate that an authority issued, and its key.
pub(crate) struct Issued {
    chain: String,
    key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        Self::with(CertificateParams::default(), name)
    }

    /// An authority that is also the host of that name.
    pub(crate) fn named(host: &str) -> Self {
        Self::with(CertificateParams::new([host.to_owned()]).unwrap(), host)
    }

    fn with(mut params: CertificateParams, name: &str) -> Self {
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    pub(crate) fn issue(&self, hosts: &[&str]) -> Issued {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        self.sign(CertificateParams::new(hosts).unwrap())
    }

    pub(crate) fn issue_expired(&self, hosts: &[&str]) -> Issued {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Issued {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued { chain: certificate.pem(), key: key.serialize_pem() }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Properties that trust it.
    pub(crate) fn truststore(&self) -> Properties {
        BTreeMap::from([
            ("ssl.truststore.type", "PEM".to_owned()),
            ("ssl.truststore.certificates", self.pem()),
        ])
    }

    /// Properties of a server that shows the authority's own certificate.
    pub(crate) fn as_server(&self) -> Properties {
        Issued { chain: self.pem(), key: self.issuer.key().serialize_pem() }.keystore()
    }
}

impl Issued {
    /// Certificate and key in one text.
    pub(crate) fn pem(&self) -> String {
        format!("{}{}", self.chain, self.key)
    }

    /// Properties of whoever shows it.
    pub(crate) fn keystore(&self) -> Properties {
        BTreeMap::from([
            ("ssl.keystore.type", "PEM".to_owned()),
            ("ssl.keystore.certificate.chain", self.chain.clone()),
            ("ssl.keystore.key", self.key.clone()),
        ])
    }
}
