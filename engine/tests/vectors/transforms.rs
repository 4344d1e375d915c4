//! Every transform and predicate with the settings and records of the vectors: what Java made of each record, ours has to make of it,
//! whatever its run looks like.
//!
//! A run goes through as a whole, as a slice of a longer one, record by record, and, where its records have no schema, as a struct array
//! instead of a tape. What the transform does not touch it gets undecoded, as in the engine.

use api::{Matches, Predicate, Props, Records, RowError, Transform, Transformed};
use engine::transform::{PREDICATES, TRANSFORMS};
use serde_json::{Value as Json, json};

use super::differences::Differences;
use super::notation::{self, java_error, schema};
use super::records::{Form, Given};

/// What the following runs go through.
enum Subject {
    Transform(Box<dyn Transform>),
    Predicate(Box<dyn Predicate>),
}

impl Subject {
    fn create(line: &Json) -> api::Result<Subject> {
        let config = line["config"].as_object().unwrap();
        let props: Props =
            config.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned())).collect();
        let class = line.get("transform").or_else(|| line.get("predicate")).unwrap().as_str().unwrap();
        if let Some(plugin) = TRANSFORMS.iter().find(|plugin| plugin.class == class) {
            return (plugin.create)(&props).map(Subject::Transform);
        }
        let plugin = PREDICATES.iter().find(|plugin| plugin.class == class);
        (plugin.unwrap_or_else(|| panic!("there is no {class}")).create)(&props).map(Subject::Predicate)
    }

    fn touches(&self) -> api::Touches {
        match self {
            Subject::Transform(transform) => transform.touches(),
            Subject::Predicate(predicate) => predicate.touches(),
        }
    }

    /// What becomes of every record, by its place.
    fn run(&mut self, given: &Given, records: Records) -> Vec<String> {
        let (first, rows) = (records.first_row(), records.len());
        let mut out = vec!["dropped".to_owned(); rows];
        let mut set = |place: usize, text: String| {
            let was = std::mem::replace(&mut out[place], text);
            assert_eq!(was, "dropped", "record {place} became two things: also {}", out[place]);
        };
        let failed = |error: &api::Error| brief(notation::error(error));
        match self {
            Subject::Transform(transform) => {
                let mut transformed = Transformed::default();
                if let Err(error) = transform.apply(records, &mut transformed) {
                    return vec![failed(&error); rows];
                }
                let (pieces, errors) = transformed.into_parts();
                let mut next = first;
                for piece in pieces {
                    assert!(piece.is_complete(), "columns of differing lengths");
                    assert!(piece.first_row() >= next, "the order of records has changed");
                    next = piece.first_row() + piece.len();
                    for row in 0..piece.len() {
                        let place = piece.first_row() + row - first;
                        let (origin, text) = given.found(&piece, row);
                        assert_eq!(
                            origin,
                            (place + first) % given.rows(),
                            "a record has the offset of another"
                        );
                        set(place, text);
                    }
                }
                for RowError { row, error } in errors {
                    set(row - first, failed(&error));
                }
            }
            Subject::Predicate(predicate) => {
                let tested = predicate.test(&records).unwrap();
                let failures = tested.errors.iter().map(|error| (error.row, failed(&error.error)));
                failures.for_each(|(row, text)| set(row, text));
                for (row, text) in out.iter_mut().enumerate().filter(|(_, text)| *text == "dropped") {
                    *text = match &tested.matches {
                        Matches::All => true,
                        Matches::None => false,
                        Matches::Each(bits) => bits.value(row),
                    }
                    .to_string();
                }
            }
        }
        out
    }
}

/// Without what the virtual machine says of its own accidents, which changes with its version.
fn brief(error: String) -> String {
    let accidents = ["error java.lang.NullPointerException", "error java.lang.ClassCastException"];
    accidents.iter().find(|name| error.starts_with(*name)).map_or(error.clone(), |name| (*name).to_owned())
}

fn check(file: &str, cases_min: usize, objects_min: usize) {
    let mut differences = Differences::of(file);
    let (mut cases, mut objects, mut unheld) = (0, 0, 0);
    let mut current: Option<(Json, Subject)> = None;
    for line in super::lines(file) {
        if line.get("config").is_some() {
            let created = Subject::create(&line);
            let java = line.get("error").map_or("created".to_owned(), |error| brief(java_error(error)));
            cases += usize::from(line.get("error").is_some());
            let ours = match &created {
                Ok(_) => "created".to_owned(),
                Err(error) => brief(notation::error(error)),
            };
            if ours != java {
                differences.take(&line, &ours, &java);
            }
            // What either refuses has no records to compare.
            current = created.ok().filter(|_| java == "created").map(|subject| (line, subject));
            continue;
        }
        let Some((settings, subject)) = &mut current else { continue };
        let given = Given::of(&line);
        let touches = subject.touches();
        let schemas: Vec<_> =
            line.get("s").into_iter().flat_map(|list| list.as_array().unwrap()).map(schema).collect();
        let expected: Vec<String> = (0..given.rows())
            .map(|row| match &line["out"][row] {
                Json::Null => "dropped".to_owned(),
                Json::Bool(is_match) => is_match.to_string(),
                error @ Json::Array(_) => brief(java_error(error)),
                changes => given.expected(row, changes, &schemas, touches),
            })
            .collect();
        let mut is_told = vec![false; given.rows()];
        let mut compare = |form: &str, first: usize, ours: Vec<String>| {
            for (row, ours) in ours.iter().enumerate() {
                let row = (first + row) % given.rows();
                if *ours != expected[row] && !std::mem::replace(&mut is_told[row], true) {
                    let case = json!({
                        "of": settings, "form": form, "row": line["rows"][row], "t": line["t"], "p": line["p"],
                        "ks": line["ks"], "vs": line["vs"],
                    });
                    differences.take(&case, ours, &expected[row]);
                }
            }
        };
        cases += given.rows();
        let Some(records) = given.records(touches, Form::Tape, 1) else {
            unheld += given.rows();
            continue;
        };
        compare("whole", 0, subject.run(&given, records.clone()));
        for row in (0..given.rows()).filter(|_| given.rows() > 1) {
            compare("alone", row, subject.run(&given, records.slice(row, 1)));
        }
        let longer = given.records(touches, Form::Tape, 3).unwrap();
        compare("cut", 1, subject.run(&given, longer.slice(given.rows() + 1, given.rows())));
        if let Some(records) = given.records(touches, Form::Objects, 3) {
            objects += given.rows();
            compare("objects", 0, subject.run(&given, records.slice(given.rows(), given.rows())));
        }
    }
    differences.finish();
    assert!(cases >= cases_min, "{file} has {cases} cases");
    assert!(objects >= objects_min, "{file} has {objects} cases with a struct array");
    assert!(unheld * 50 <= cases, "{unheld} of {cases} cases cannot be held in columns");
}

#[test]
fn records_are_transformed_as_by_java() {
    check("transforms", 8000, 600);
}

#[test]
fn predicates_match_as_in_java() {
    check("predicates", 200, 0);
}
