//! Registry lines of everything that is not a connector: name, version, configuration table, and how to make one.

use crate::config_def::{Config, ConfigDef, ConfigKey, ConfigType, Default, Importance, validators};
use crate::connector::Props;
use crate::converter::{Converter, ConverterHeaders, HeaderConverter};
use crate::error::Result;
use crate::transform::{Predicate, Transform};

/// What a converter, header converter, transform or predicate says about itself. Its registry line is made from this.
pub trait Plugin: Sized + 'static {
    /// Full Java class name, shown by REST and accepted in configurations (as are its aliases).
    const CLASS: &'static str;
    /// Version that `/connector-plugins` reports.
    const VERSION: &'static str;

    /// The configuration table, keys without prefix: validation, REST answers and documentation come from it.
    fn config_def() -> ConfigDef;

    /// Makes an instance, which serves one task. `converter.type` of a converter's originals says what it converts: `key`, `value` or
    /// `header`.
    ///
    /// # Errors
    /// The task becomes FAILED with the error's trace: for what the table cannot see.
    fn create(config: Config) -> Result<Self>;
}

/// What a converter converts (`converter.type` in Java).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConverterRole {
    /// Record keys.
    Key,
    /// Record values.
    Value,
    /// Values of record headers.
    Header,
}

impl ConverterRole {
    /// The name that `converter.type` has.
    pub fn name(self) -> &'static str {
        match self {
            ConverterRole::Key => "key",
            ConverterRole::Value => "value",
            ConverterRole::Header => "header",
        }
    }
}

/// One line of the converter registry.
#[derive(Clone, Copy)]
pub struct ConverterPlugin {
    /// Full Java class name.
    pub class: &'static str,
    /// Version to report.
    pub version: &'static str,
    /// Its configuration table, keys without the `key.converter.` prefix.
    pub config_def: fn() -> ConfigDef,
    /// Makes an instance for one task from its settings, keys without prefix.
    pub create: fn(&Props, ConverterRole) -> Result<Box<dyn Converter>>,
}

impl ConverterPlugin {
    /// The registry line of a converter. Its table has `converter.type` before its own keys, as Java's converters have it.
    pub const fn of<C: Converter + Plugin>() -> ConverterPlugin {
        ConverterPlugin {
            class: C::CLASS,
            version: C::VERSION,
            config_def: with_type::<C>,
            create: |props, role| Ok(Box::new(converter::<C>(props, role)?)),
        }
    }
}

/// One line of the header converter registry.
#[derive(Clone, Copy)]
pub struct HeaderConverterPlugin {
    /// Full Java class name.
    pub class: &'static str,
    /// Version to report.
    pub version: &'static str,
    /// Its configuration table, keys without the `header.converter.` prefix.
    pub config_def: fn() -> ConfigDef,
    /// Makes an instance for one task from its settings, keys without prefix.
    pub create: fn(&Props) -> Result<Box<dyn HeaderConverter>>,
}

impl HeaderConverterPlugin {
    /// The registry line of a header converter.
    pub const fn of<H: HeaderConverter + Plugin>() -> HeaderConverterPlugin {
        HeaderConverterPlugin {
            class: H::CLASS,
            version: H::VERSION,
            config_def: H::config_def,
            create: |props| Ok(Box::new(converter::<H>(props, ConverterRole::Header)?)),
        }
    }

    /// The registry line of a converter that converts headers as it converts values: most of Java's do.
    pub const fn of_converter<C: Converter + Plugin>() -> HeaderConverterPlugin {
        HeaderConverterPlugin {
            class: C::CLASS,
            version: C::VERSION,
            config_def: with_type::<C>,
            create: |props| {
                Ok(Box::new(ConverterHeaders::new(converter::<C>(props, ConverterRole::Header)?)))
            },
        }
    }
}

fn with_type<C: Plugin>() -> ConfigDef {
    let kind = ConfigKey::new(
        "converter.type",
        ConfigType::String,
        Default::Required,
        Importance::Low,
        "What the converter is for: key, value or header. The worker says it.",
    );
    let kind = kind.checked(|value| validators::one_of(value, &["key", "value", "header"]));
    ConfigDef::default().key(kind).and(C::config_def())
}

fn converter<C: Plugin>(props: &Props, role: ConverterRole) -> Result<C> {
    let mut props = props.clone();
    props.insert("converter.type".to_owned(), role.name().to_owned());
    C::create(C::config_def().parse(&props)?)
}

/// One line of the transform registry.
#[derive(Clone, Copy)]
pub struct TransformPlugin {
    /// Full Java class name.
    pub class: &'static str,
    /// Version to report.
    pub version: &'static str,
    /// Its configuration table, keys without the `transforms.<alias>.` prefix.
    pub config_def: fn() -> ConfigDef,
    /// Makes an instance for one task from its settings, keys without prefix.
    pub create: fn(&Props) -> Result<Box<dyn Transform>>,
}

impl TransformPlugin {
    /// The registry line of a transform.
    pub const fn of<T: Transform + Plugin>() -> TransformPlugin {
        TransformPlugin {
            class: T::CLASS,
            version: T::VERSION,
            config_def: T::config_def,
            create: |props| Ok(Box::new(T::create(T::config_def().parse(props)?)?)),
        }
    }
}

/// One line of the predicate registry.
#[derive(Clone, Copy)]
pub struct PredicatePlugin {
    /// Full Java class name.
    pub class: &'static str,
    /// Version to report.
    pub version: &'static str,
    /// Its configuration table, keys without the `predicates.<alias>.` prefix.
    pub config_def: fn() -> ConfigDef,
    /// Makes an instance for one task from its settings, keys without prefix.
    pub create: fn(&Props) -> Result<Box<dyn Predicate>>,
}

impl PredicatePlugin {
    /// The registry line of a predicate.
    pub const fn of<P: Predicate + Plugin>() -> PredicatePlugin {
        PredicatePlugin {
            class: P::CLASS,
            version: P::VERSION,
            config_def: P::config_def,
            create: |props| Ok(Box::new(P::create(P::config_def().parse(props)?)?)),
        }
    }
}

/// Prints the class: the rest is functions.
macro_rules! debug_by_class {
    ($($line:ident)*) => {$(
        impl std::fmt::Debug for $line {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($line)).field("class", &self.class).finish_non_exhaustive()
            }
        }
    )*};
}

debug_by_class!(ConverterPlugin HeaderConverterPlugin TransformPlugin PredicatePlugin);
