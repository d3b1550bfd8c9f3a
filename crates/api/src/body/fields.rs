//! The fields of a body, read one by one and by type; what is wrong with them comes together.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use kici_model::{Text, TextError};
use kici_rbac::{Matrix, RepoPattern, Resource};
use serde_json::{Map, Value};

use crate::problem::FieldError;

/// The most errors that are told at once.
const ERRORS: usize = 100;
/// The most patterns that a role may have.
const PATTERNS: usize = 100;

/// The fields of a JSON object, and what was wrong with them.
#[derive(Debug)]
pub(crate) struct Fields {
    object: Map<String, Value>,
    read: BTreeSet<&'static str>,
    errors: Vec<FieldError>,
    ids: BTreeSet<&'static str>,
}

impl Fields {
    pub(super) fn new(object: Map<String, Value>) -> Self {
        Self { object, read: BTreeSet::new(), errors: Vec::new(), ids: BTreeSet::new() }
    }

    /// A text that must be there.
    pub(crate) fn required<T: Text>(&mut self, name: &'static str) -> Option<T> {
        let found = self.optional(name)?;
        if found.is_none() {
            self.refuse(name, format!("is missing: {} is needed", T::NAME));
        }
        found
    }

    /// A text that may be left out or `null`; `None` when it is there and was refused.
    #[expect(clippy::option_option, reason = "refused, left out and given are three things")]
    pub(crate) fn optional<T: Text>(&mut self, name: &'static str) -> Option<Option<T>> {
        self.read_text::<T>(name);
        match self.object.get(name) {
            None | Some(Value::Null) => Some(None),
            Some(Value::String(text)) => match text.parse() {
                Ok(value) => Some(Some(value)),
                Err(error) => {
                    self.refuse(name, error.to_string());
                    None
                }
            },
            Some(other) => {
                let message = format!("must be a string, not {}", kind(other));
                self.refuse(name, message);
                None
            }
        }
    }

    /// A permission matrix; `None` inside when it is left out.
    #[expect(clippy::option_option, reason = "refused, left out and given are three things")]
    pub(crate) fn matrix(&mut self, name: &'static str) -> Option<Option<Matrix>> {
        self.read.insert(name);
        let object = match self.object.get(name) {
            None | Some(Value::Null) => return Some(None),
            Some(Value::Object(object)) if object.len() <= Resource::ALL.len() => object.clone(),
            Some(Value::Object(_)) => {
                self.refuse(name, format!("has more than the {} resources", Resource::ALL.len()));
                return None;
            }
            Some(other) => {
                let message =
                    format!("must be an object from resource to level, not {}", kind(other));
                self.refuse(name, message);
                return None;
            }
        };
        let mut entries = Vec::new();
        let before = self.errors.len();
        for (resource, level) in &object {
            match level.as_str() {
                Some(level) => entries.push((resource.as_str(), level)),
                None => self
                    .refuse(&format!("{name}.{}", short(resource)), "must be a level".to_owned()),
            }
        }
        match Matrix::parse(entries) {
            Ok(matrix) if self.errors.len() == before => Some(Some(matrix)),
            Ok(_) => None,
            Err(errors) => {
                for error in errors {
                    let path = format!("{name}.{}", short(error.key()));
                    self.refuse(&path, error.problem().to_string());
                }
                None
            }
        }
    }

    /// A permission matrix that must be there.
    pub(crate) fn required_matrix(&mut self, name: &'static str) -> Option<Matrix> {
        let found = self.matrix(name)?;
        if found.is_none() {
            self.refuse(name, "is missing: an object from resource to level is needed".to_owned());
        }
        found
    }

    /// One of a few words; `default` when it is left out.
    pub(crate) fn choice(
        &mut self,
        name: &'static str,
        default: &'static str,
        words: &[&'static str],
    ) -> Option<&'static str> {
        self.read.insert(name);
        let given = match self.object.get(name) {
            None | Some(Value::Null) => return Some(default),
            Some(given) => given.as_str(),
        };
        let found = words.iter().find(|word| given == Some(**word)).copied();
        if found.is_none() {
            self.refuse(name, format!("must be one of `{}`", words.join("`, `")));
        }
        found
    }

    /// Repository patterns: 1 to 100 of them; `None` inside when they are left out.
    #[expect(clippy::option_option, reason = "refused, left out and given are three things")]
    pub(crate) fn patterns(&mut self, name: &'static str) -> Option<Option<Vec<RepoPattern>>> {
        self.read.insert(name);
        let items = match self.object.get(name) {
            None | Some(Value::Null) => return Some(None),
            Some(Value::Array(items)) if (1..=PATTERNS).contains(&items.len()) => items.clone(),
            Some(_) => {
                self.refuse(name, format!("must be an array of 1 to {PATTERNS} patterns"));
                return None;
            }
        };
        let mut patterns = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let path = format!("{name}[{at}]");
            match item.as_str().map(RepoPattern::parse) {
                Some(Ok(pattern)) => patterns.push(pattern),
                Some(Err(error)) => self.errors.push(FieldError {
                    path,
                    message: error.reason().to_owned(),
                    position: u32::try_from(error.position()).ok(),
                }),
                None => self.refuse(&path, "must be a string".to_owned()),
            }
        }
        (patterns.len() == items.len()).then_some(Some(patterns))
    }

    /// A whole number within `range`; `None` inside when it is left out.
    #[expect(clippy::option_option, reason = "refused, left out and given are three things")]
    pub(crate) fn number(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u32>,
    ) -> Option<Option<u32>> {
        self.read.insert(name);
        let value = match self.object.get(name) {
            None | Some(Value::Null) => return Some(None),
            Some(value) => value.as_u64().and_then(|number| u32::try_from(number).ok()),
        };
        let value = value.filter(|number| range.contains(number));
        if value.is_none() {
            let (low, high) = (range.start(), range.end());
            self.refuse(name, format!("must be a whole number from {low} to {high}"));
        }
        value.map(Some)
    }

    /// A whole number that must be there.
    pub(crate) fn required_number(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u32>,
    ) -> Option<u32> {
        let (low, high) = (*range.start(), *range.end());
        let found = self.number(name, range)?;
        if found.is_none() {
            self.refuse(name, format!("is missing: a whole number from {low} to {high} is needed"));
        }
        found
    }

    /// `true` or `false`; `false` when it is left out.
    pub(crate) fn flag(&mut self, name: &'static str) -> Option<bool> {
        self.read.insert(name);
        let value = match self.object.get(name) {
            None | Some(Value::Null) => return Some(false),
            Some(value) => value.as_bool(),
        };
        if value.is_none() {
            self.refuse(name, "must be `true` or `false`".to_owned());
        }
        value
    }

    /// A word of the permission language that must be there.
    pub(crate) fn required_word<T: FromStr<Err: Display>>(
        &mut self,
        name: &'static str,
    ) -> Option<T> {
        self.read.insert(name);
        let given = self.object.get(name).and_then(Value::as_str);
        let Some(given) = given else {
            self.refuse(name, "must be a string".to_owned());
            return None;
        };
        match given.parse() {
            Ok(word) => Some(word),
            Err(error) => {
                self.refuse(name, error.to_string());
                None
            }
        }
    }

    /// A word of the permission language that may be left out or `null`.
    #[expect(clippy::option_option, reason = "refused, left out and given are three things")]
    pub(crate) fn optional_word<T: FromStr<Err: Display>>(
        &mut self,
        name: &'static str,
    ) -> Option<Option<T>> {
        self.read.insert(name);
        match self.object.get(name) {
            None | Some(Value::Null) => Some(None),
            Some(_) => self.required_word(name).map(Some),
        }
    }

    /// A list of up to `most` texts that must be there; each stands in it once.
    pub(crate) fn set<T: Text + Ord>(
        &mut self,
        name: &'static str,
        most: usize,
    ) -> Option<BTreeSet<T>> {
        self.read_text::<T>(name);
        let items = match self.object.get(name) {
            Some(Value::Array(items)) if items.len() <= most => items.clone(),
            _ => {
                self.refuse(name, format!("must be an array of at most {most} strings"));
                return None;
            }
        };
        let mut set = BTreeSet::new();
        let before = self.errors.len();
        for (at, item) in items.iter().enumerate() {
            let path = format!("{name}[{at}]");
            match item.as_str().map(str::parse) {
                Some(Ok(value)) => drop(set.insert(value)),
                Some(Err(error)) => self.refuse(&path, TextError::to_string(&error)),
                None => self.refuse(&path, "must be a string".to_owned()),
            }
        }
        (self.errors.len() == before).then_some(set)
    }

    /// Whether a field is there and not `null`.
    pub(crate) fn is_given(&mut self, name: &'static str) -> bool {
        self.read.insert(name);
        self.object.get(name).is_some_and(|value| !value.is_null())
    }

    /// Whether a field is there at all, `null` included.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    /// An object whose own fields are read by `read`.
    pub(crate) fn object<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        self.read.insert(name);
        let found = self.object.get(name).cloned();
        self.inner(name, found.as_ref(), read)
    }

    /// A list of 1 to `most` objects, each read by `read`.
    pub(crate) fn objects<T>(
        &mut self,
        name: &'static str,
        most: usize,
        read: impl Fn(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.read.insert(name);
        let items = match self.object.get(name) {
            Some(Value::Array(items)) if (1..=most).contains(&items.len()) => items.clone(),
            _ => {
                self.refuse(name, format!("must be an array of 1 to {most} objects"));
                return None;
            }
        };
        let items = items.iter().enumerate();
        let read: Vec<_> = items
            .map(|(at, item)| self.inner(&format!("{name}[{at}]"), Some(item), &read))
            .collect();
        read.into_iter().collect()
    }

    fn inner<T>(
        &mut self,
        path: &str,
        found: Option<&Value>,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let Some(Value::Object(object)) = found else {
            self.refuse(path, "must be an object".to_owned());
            return None;
        };
        let mut inner = Self::new(object.clone());
        let value = read(&mut inner);
        self.ids.append(&mut inner.ids);
        let errors = inner.finish().into_iter();
        let errors =
            errors.map(|error| FieldError { path: format!("{path}.{}", error.path), ..error });
        let room = ERRORS.saturating_sub(self.errors.len());
        self.errors.extend(errors.take(room));
        value
    }

    /// Tests compare with the document what is read as an id.
    fn read_text<T: Text>(&mut self, name: &'static str) {
        self.read.insert(name);
        if T::IS_ID && cfg!(debug_assertions) {
            self.ids.insert(name);
        }
    }

    /// The names of all fields that were read as ids, those of inner objects too.
    pub(super) fn ids(&self) -> &BTreeSet<&'static str> {
        &self.ids
    }

    /// Refuses the whole of a field, for a reason that lies between fields.
    pub(crate) fn refuse(&mut self, name: &str, message: String) {
        if self.errors.len() >= ERRORS {
            return;
        }
        self.errors.push(FieldError { path: name.to_owned(), message, position: None });
    }

    /// Every error about the fields that somebody asked for.
    pub(super) fn finish_leniently(self) -> Vec<FieldError> {
        self.errors
    }

    /// Every error, those about fields that nobody asked for included.
    pub(super) fn finish(mut self) -> Vec<FieldError> {
        let known = self.read.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let unknown: Vec<_> = self
            .object
            .keys()
            .filter(|name| !self.read.contains(name.as_str()))
            .take(ERRORS)
            .map(|name| short(name))
            .collect();
        for name in unknown {
            self.refuse(&name, format!("is not known here; there are {known}"));
        }
        self.errors
    }
}

/// What a caller sent, fit for an answer.
fn short(text: &str) -> String {
    kici_domain::shorten(text, 100)
}

pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
