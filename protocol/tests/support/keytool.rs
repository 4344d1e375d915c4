//! Key and trust stores as users have them: made by Java's `keytool`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use std::process::Command;

use tempfile::TempDir;

use crate::protected::{Properties, properties};

pub(crate) const STORE_PASSWORD: &str = "store-secret";
/// Of keys in JKS, which may have their own.
pub(crate) const KEY_PASSWORD: &str = "key-secret";

/// An authority, a broker and a client, each in stores of both formats.
pub(crate) struct Stores {
    dir: TempDir,
}

impl Stores {
    pub(crate) fn make() -> Self {
        let stores = Self { dir: tempfile::tempdir().unwrap() };
        let generate = "-genkeypair -keyalg RSA -validity 3650 -keystore all.PKCS12 -storetype PKCS12 -alias";
        stores.keytool(&format!("{generate} ca -dname CN=ca -ext bc=ca:true -ext ku=keyCertSign"));
        stores.keytool(&format!("{generate} broker -dname CN=broker -signer ca -ext san=ip:127.0.0.1"));
        stores.keytool(&format!("{generate} client -dname CN=client -signer ca"));
        stores.keytool("-exportcert -rfc -keystore all.PKCS12 -alias ca -file ca.pem");
        for format in ["PKCS12", "JKS"] {
            for who in ["broker", "client"] {
                let import = "-importkeystore -srckeystore all.PKCS12 -srcalias";
                let to = format!("-destkeystore {who}.{format} -deststoretype {format}");
                let key_password = if format == "JKS" { KEY_PASSWORD } else { STORE_PASSWORD };
                stores.keytool(&format!(
                    "{import} {who} {to} -srcstorepass {STORE_PASSWORD} -deststorepass {STORE_PASSWORD} \
                     -destkeypass {key_password}"
                ));
            }
            stores.keytool(&format!(
                "-importcert -noprompt -alias ca -file ca.pem -keystore trust.{format} -storetype {format}"
            ));
        }
        stores
    }

    fn keytool(&self, arguments: &str) {
        let mut command = Command::new("keytool");
        command.args(arguments.split_ascii_whitespace()).current_dir(self.dir.path());
        if !arguments.contains("-deststorepass") {
            command.args(["-storepass", STORE_PASSWORD]);
        }
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "keytool {arguments}: {text}");
    }

    /// Properties that trust the authority.
    pub(crate) fn truststore(&self, format: &str) -> Properties {
        properties(&[
            ("ssl.truststore.type", format),
            ("ssl.truststore.location", &self.path("trust", format)),
            ("ssl.truststore.password", STORE_PASSWORD),
        ])
    }

    /// Properties of `broker` or `client`.
    pub(crate) fn keystore(&self, who: &str, format: &str) -> Properties {
        let mut keystore = properties(&[
            ("ssl.keystore.type", format),
            ("ssl.keystore.location", &self.path(who, format)),
            ("ssl.keystore.password", STORE_PASSWORD),
        ]);
        if format == "JKS" {
            keystore.insert("ssl.key.password", KEY_PASSWORD.to_owned());
        }
        keystore
    }

    fn path(&self, stem: &str, format: &str) -> String {
        self.dir.path().join(format!("{stem}.{format}")).display().to_string()
    }
}
