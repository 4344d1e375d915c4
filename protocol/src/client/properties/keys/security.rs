//! Keys of encryption and authentication (Java: `SslConfigs`, `SaslConfigs`).

use super::common::{JVM, NO_CLASSES};
use crate::client::properties::key::Default::{Null, Value};
use crate::client::properties::key::Effect::{Applied, Ignored, Only};
use crate::client::properties::key::Importance::{High, Low, Medium};
use crate::client::properties::key::Type::{Boolean, Class, Double, Int, List, Long, Password, Short, String};
use crate::client::properties::key::{Effect, Key, key};
use crate::client::properties::valid::Valid::{Any, AnyCase, Between, BetweenDoubles, List as EntriesNotEmpty};

const GSSAPI: Effect = Ignored("GSSAPI is not supported");
const NO_ASSERTIONS: Effect = Ignored("who asks for a token shows a secret, never an assertion");
const FRESH: Effect = Ignored("a token is looked up whenever a connection authenticates, and fetched again after 80 % of its life");
const FETCHES: Effect = Only(
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
    "other classes of Java cannot be loaded",
);
const OF_BROKERS: Effect = Ignored("tokens are checked by brokers, not by clients");

pub(super) const SSL: [Key; 19] = [
    key("ssl.protocol", String, Value("TLSv1.3"), Any, Medium, Applied,
        "checked, but what is spoken is what ssl.enabled.protocols says"),
    key("ssl.provider", String, Null, Any, Medium, JVM, "which implementation of TLS to use"),
    key("ssl.cipher.suites", List, Value(""), EntriesNotEmpty, Low, Applied, "the cipher suites to offer; none for all that are safe"),
    key("ssl.enabled.protocols", List, Value("TLSv1.2,TLSv1.3"), EntriesNotEmpty, Medium, Applied, "the versions of TLS to offer"),
    key("ssl.keystore.type", String, Value("JKS"), Any, Medium, Applied, "what kind of file the key store is: PEM, PKCS12 or JKS"),
    key("ssl.keystore.location", String, Null, Any, High, Applied, "the file with our key and certificate"),
    key("ssl.keystore.password", Password, Null, Any, High, Applied, "what opens the key store; not for PEM"),
    key("ssl.key.password", Password, Null, Any, High, Applied, "what opens the key in it"),
    key("ssl.keystore.key", Password, Null, Any, High, Applied, "our key as PEM, in place of a file"),
    key("ssl.keystore.certificate.chain", Password, Null, Any, High, Applied, "our certificate and its issuers as PEM, in place of a file"),
    key("ssl.truststore.certificates", Password, Null, Any, High, Applied, "whose certificates are believed, as PEM, in place of a file"),
    key("ssl.truststore.type", String, Value("JKS"), Any, Medium, Applied, "what kind of file the trust store is: PEM, PKCS12 or JKS"),
    key("ssl.truststore.location", String, Null, Any, High, Applied,
        "the file with the certificates that are believed; the system's where it is not given"),
    key("ssl.truststore.password", Password, Null, Any, High, Applied, "what opens the trust store; not for PEM"),
    key("ssl.keymanager.algorithm", String, Value("SunX509"), Any, Low, JVM, "how Java picks a key"),
    key("ssl.trustmanager.algorithm", String, Value("PKIX"), Any, Low, JVM, "how Java checks certificates"),
    key("ssl.endpoint.identification.algorithm", String, Value("https"), Any, Low, Applied,
        "https: a certificate must name the host; empty: it need not"),
    key("ssl.secure.random.implementation", String, Null, Any, Low, JVM, "where Java takes random numbers from"),
    key("ssl.engine.factory.class", Class, Null, Any, Low, NO_CLASSES, "the class that makes Java's TLS engines"),
];

pub(super) const SASL: [Key; 45] = [
    key("sasl.kerberos.service.name", String, Null, Any, Medium, GSSAPI, "the Kerberos name of the brokers"),
    key("sasl.kerberos.kinit.cmd", String, Value("/usr/bin/kinit"), Any, Low, GSSAPI, "where kinit is"),
    key("sasl.kerberos.ticket.renew.window.factor", Double, Value("0.8"), Any, Low, GSSAPI,
        "after which share of its life a ticket is renewed"),
    key("sasl.kerberos.ticket.renew.jitter", Double, Value("0.05"), Any, Low, GSSAPI, "how much chance is in that"),
    key("sasl.kerberos.min.time.before.relogin", Long, Value("60000"), Any, Low, GSSAPI, "the shortest time between two renewals"),
    key("sasl.login.refresh.window.factor", Double, Value("0.8"), BetweenDoubles(0.5, 1.0), Low, FRESH,
        "after which share of its life a token is renewed"),
    key("sasl.login.refresh.window.jitter", Double, Value("0.05"), BetweenDoubles(0.0, 0.25), Low, FRESH, "how much chance is in that"),
    key("sasl.login.refresh.min.period.seconds", Short, Value("60"), Between(0, 900), Low, FRESH,
        "the shortest time between two renewals"),
    key("sasl.login.refresh.buffer.seconds", Short, Value("300"), Between(0, 3_600), Low, FRESH,
        "how long before its end a token is renewed at the latest"),
    key("sasl.mechanism", String, Value("GSSAPI"), Any, Medium, Applied,
        "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER; with SASL it has to be given, because GSSAPI is not supported"),
    key("sasl.jaas.config", Password, Null, Any, Medium, Applied, "the mechanism's login module and its options: the credentials"),
    key("sasl.client.callback.handler.class", Class, Null, Any, Medium, NO_CLASSES, "the class that a mechanism asks for credentials"),
    key("sasl.login.callback.handler.class", Class, Null, Any, Medium, FETCHES, "the class that a login module asks for credentials"),
    key("sasl.login.class", Class, Null, Any, Medium, NO_CLASSES, "the class that logs in"),
    key("sasl.login.connect.timeout.ms", Int, Null, Any, Low, Applied, "how long the connection to a token's issuer may take; ten seconds where it is not given"),
    key("sasl.login.read.timeout.ms", Int, Null, Any, Low, Applied, "how long its whole answer may take; ten seconds where it is not given"),
    key("sasl.login.retry.backoff.max.ms", Long, Value("10000"), Any, Low, Applied, "for how long a token is asked for again where that may help"),
    key("sasl.login.retry.backoff.ms", Long, Value("100"), Any, Low, Applied, "the pause before it is asked for again, doubled each time"),
    key("sasl.oauthbearer.jwt.retriever.class", Class, Value("org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever"),
        Any, Medium, Ignored("where tokens come from follows from the other keys"), "the class that fetches tokens"),
    key("sasl.oauthbearer.jwt.validator.class", Class, Value("org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator"),
        Any, Medium, OF_BROKERS, "the class that checks tokens"),
    key("sasl.oauthbearer.scope", String, Null, Any, Medium, Applied, "the scope to ask a token for"),
    key("sasl.oauthbearer.client.credentials.client.id", String, Null, Any, Medium, Applied, "our name at a token's issuer"),
    key("sasl.oauthbearer.client.credentials.client.secret", Password, Null, Any, Medium, Applied, "our secret there"),
    key("sasl.oauthbearer.assertion.algorithm", String, Value("RS256"), AnyCase(&["ES256", "RS256"]), Medium, NO_ASSERTIONS,
        "how an assertion is signed"),
    key("sasl.oauthbearer.assertion.claim.aud", String, Null, Any, Medium, NO_ASSERTIONS, "whom an assertion is for"),
    key("sasl.oauthbearer.assertion.claim.exp.seconds", Int, Value("300"), Between(0, 86_400), Low, NO_ASSERTIONS, "how long an assertion lives"),
    key("sasl.oauthbearer.assertion.claim.iss", String, Null, Any, Medium, NO_ASSERTIONS, "who makes an assertion"),
    key("sasl.oauthbearer.assertion.claim.jti.include", Boolean, Value("false"), Any, Medium, NO_ASSERTIONS, "whether an assertion has an id"),
    key("sasl.oauthbearer.assertion.claim.nbf.seconds", Int, Value("60"), Between(0, 3_600), Low, NO_ASSERTIONS,
        "how long before now an assertion begins"),
    key("sasl.oauthbearer.assertion.claim.sub", String, Null, Any, Medium, NO_ASSERTIONS, "whom an assertion is about"),
    key("sasl.oauthbearer.assertion.file", String, Null, Any, Medium, NO_ASSERTIONS, "a file with an assertion that somebody else made"),
    key("sasl.oauthbearer.assertion.private.key.file", String, Null, Any, Medium, NO_ASSERTIONS, "the key that signs assertions"),
    key("sasl.oauthbearer.assertion.private.key.passphrase", Password, Null, Any, Medium, NO_ASSERTIONS, "what opens it"),
    key("sasl.oauthbearer.assertion.template.file", String, Null, Any, Medium, NO_ASSERTIONS, "a file with parts of an assertion"),
    key("sasl.oauthbearer.scope.claim.name", String, Value("scope"), Any, Low, OF_BROKERS, "the claim that holds a token's scope"),
    key("sasl.oauthbearer.sub.claim.name", String, Value("sub"), Any, Low, OF_BROKERS, "the claim that says whom a token is about"),
    key("sasl.oauthbearer.token.endpoint.url", String, Null, Any, Medium, Applied, "where tokens are issued; has to be listed in AQUEDUCT_SASL_OAUTHBEARER_ALLOWED_URLS"),
    key("sasl.oauthbearer.jwks.endpoint.url", String, Null, Any, Medium, OF_BROKERS, "where the keys of a token's issuer are"),
    key("sasl.oauthbearer.jwks.endpoint.refresh.ms", Long, Value("3600000"), Any, Low, OF_BROKERS, "how often those are fetched"),
    key("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", Long, Value("10000"), Any, Low, OF_BROKERS,
        "the pause between attempts to fetch them grows to this"),
    key("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", Long, Value("100"), Any, Low, OF_BROKERS,
        "the pause before the second attempt to fetch them"),
    key("sasl.oauthbearer.clock.skew.seconds", Int, Value("30"), Any, Low, OF_BROKERS, "how much clocks may differ"),
    key("sasl.oauthbearer.expected.audience", List, Value(""), EntriesNotEmpty, Low, OF_BROKERS, "whom a token must be for"),
    key("sasl.oauthbearer.expected.issuer", String, Null, Any, Low, OF_BROKERS, "who must have issued it"),
    key("sasl.oauthbearer.header.urlencode", Boolean, Value("false"), Any, Low, Applied,
        "whether name and secret are URL-encoded on their way to the issuer"),
];
