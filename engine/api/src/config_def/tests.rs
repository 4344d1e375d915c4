//! Tests of configuration tables against Java's rules and messages.

use super::*;
use crate::connector::Props;

fn key(name: &'static str, kind: ConfigType, default: Default, validator: Option<Validator>) -> ConfigKey {
    let key = ConfigKey::new(name, kind, default, Importance::High, "");
    match validator {
        Some(validator) => key.checked(validator),
        None => key,
    }
}

fn one(kind: ConfigType) -> ConfigDef {
    ConfigDef::default().key(key("k", kind, Default::Required, None))
}

fn props(entries: &[(&str, &str)]) -> Props {
    entries.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

#[track_caller]
fn check(kind: ConfigType, text: &str, expected: Result<ConfigValue, &str>) {
    let parsed = one(kind).parse(&props(&[("k", text)]));
    match (parsed, expected) {
        (Ok(config), Ok(value)) => assert_eq!(config.get("k"), &value),
        (Err(error), Err(message)) => assert_eq!(error.message(), message),
        (parsed, expected) => panic!("{parsed:?} instead of {expected:?}"),
    }
}

#[test]
fn parses_each_type_as_java() {
    check(ConfigType::Boolean, " TRUE ", Ok(ConfigValue::Boolean(true)));
    check(
        ConfigType::Boolean,
        "yes",
        Err("Invalid value yes for configuration k: Expected value to be either true or false"),
    );
    check(ConfigType::String, " a b\t", Ok(ConfigValue::String("a b".to_owned())));
    check(ConfigType::Int, "+7 ", Ok(ConfigValue::Long(7)));
    check(
        ConfigType::Int,
        "2147483648",
        Err("Invalid value 2147483648 for configuration k: Not a number of type INT"),
    );
    check(
        ConfigType::Short,
        "40000",
        Err("Invalid value 40000 for configuration k: Not a number of type SHORT"),
    );
    check(ConfigType::Long, "9223372036854775807", Ok(ConfigValue::Long(i64::MAX)));
    check(ConfigType::Double, "1.5f", Ok(ConfigValue::Double(1.5)));
    check(
        ConfigType::Double,
        "inf",
        Err("Invalid value inf for configuration k: Not a number of type DOUBLE"),
    );
    check(ConfigType::List, " ", Ok(ConfigValue::List(vec![])));
    check(
        ConfigType::List,
        "a , b,,c",
        Ok(ConfigValue::List(["a", "b", "", "c"].map(str::to_owned).to_vec())),
    );
}

#[test]
fn names_a_missing_key() {
    let error = one(ConfigType::Int).parse(&Props::new()).unwrap_err();
    assert_eq!(error.message(), "Missing required configuration \"k\" which has no default value.");
}

#[test]
fn reports_type_and_validator_errors_together() {
    let def = ConfigDef::default()
        .key(key("tasks.max", ConfigType::Int, Default::Value("1"), Some(validators::at_least::<1>)))
        .key(key(
            "name",
            ConfigType::String,
            Default::Required,
            Some(validators::non_empty_without_control_chars),
        ));
    let found = def.validate(&props(&[("tasks.max", "x"), ("name", "a\u{7}b")]));
    assert_eq!(
        found[0].errors,
        [
            "Invalid value x for configuration tasks.max: Not a number of type INT",
            "Invalid value null for configuration tasks.max: Value must be non-null",
        ]
    );
    assert_eq!(
        found[1].errors,
        [
            "Invalid value a\u{7}b for configuration name: String may not contain control sequences but had the following ASCII chars: 7"
        ]
    );
    assert!(def.validate(&props(&[("name", "ok")])).iter().all(|key| key.errors.is_empty()));
}

#[test]
fn never_shows_a_secret() {
    let def = ConfigDef::default().key(key(
        "p",
        ConfigType::Password,
        Default::Null,
        Some(|_| Err("no".to_owned())),
    ));
    let given = props(&[("p", "canary"), ("undeclared.secret", "canary")]);
    let error = def.parse(&given).unwrap_err();
    assert_eq!(error.message(), "Invalid value [hidden] for configuration p: no");
    let config =
        ConfigDef::default().key(key("p", ConfigType::Password, Default::Null, None)).parse(&given).unwrap();
    assert_eq!(config.password("p").unwrap().reveal(), "canary");
    let printed = format!("{config:?} {:?} {}", config.get("p"), config.get("p"));
    assert!(!printed.contains("canary"), "{printed}");
}

#[test]
fn keeps_unknown_keys_and_strips_prefixes() {
    let given = props(&[("k", "x"), ("producer.acks", "all"), ("producer.", "y"), ("other", "z")]);
    let config = one(ConfigType::String).parse(&given).unwrap();
    assert_eq!(config.originals().len(), 4);
    assert_eq!(config.with_prefix("producer."), props(&[("acks", "all")]));
}

#[test]
fn offers_recommendations_from_other_values() {
    let recommended = Placement::new("Common", 1, Width::Long, "First")
        .recommending(|values| values.iter().map(|(name, _)| name.clone().into_owned()).collect());
    let def = ConfigDef::default()
        .key_at(recommended, key("a", ConfigType::String, Default::Null, None))
        .key(key("b", ConfigType::String, Default::Null, None));
    assert_eq!(def.validate(&Props::new())[0].recommended, ["a", "b"]);
    assert_eq!(def.groups(), ["Common"]);
    assert_eq!(def.placement("a").map(|placement| placement.order), Some(1));
    assert!(def.placement("b").is_none());
}
