//! Operations on the artifact versions that runs logged and used, columns of type List(Struct).

use polars::prelude::*;

const LOGGED: &str = "logged_artifacts";
const USED: &str = "used_artifacts";

/// All artifact versions the run logged: List(Struct{name, type, version, aliases, size in bytes, digest, state,
/// created_at, id}); empty if there are none. W&B op `runLoggedArtifactVersions`.
///
/// ```
/// # use polars::prelude::*;
/// # use runframe::run;
/// # let artifact = df!("name" => ["model", "training-data"], "type" => ["model", "dataset"], "version" => [1i64, 3])?
/// #     .into_struct("a".into()).into_series();
/// # let runs = df!("name" => ["r1"], "logged_artifacts" => [artifact])?;
/// // `runs` has one run that logged model:v1 and training-data:v3.
/// let outputs = runs.lazy().select([
///     run::logged_artifact_versions().list().len().alias("outputs"),
///     run::logged_containing("model").list().len().alias("models"),
///     run::logged_of_type("dataset").list().len().alias("datasets"),
/// ]).collect()?;
/// assert_eq!(outputs.get(0).unwrap(), [AnyValue::UInt32(2), AnyValue::UInt32(1), AnyValue::UInt32(1)]);
/// # Ok::<(), PolarsError>(())
/// ```
pub fn logged_artifact_versions() -> Expr {
    col(LOGGED)
}

/// All artifact versions the run used: List(Struct), as [`logged_artifact_versions`]. W&B op `runUsedArtifactVersions`.
pub fn used_artifact_versions() -> Expr {
    col(USED)
}

/// The artifact version that the run logged under `"name:alias"`: Struct; null if absent. W&B op `runLoggedArtifactVersion`.
///
/// The text is split at the first `:`; no alias means `latest`. `v` with digits is the version index, anything else one of
/// the version's aliases. Of several hits the highest version is taken, of equal ones the last. The column is named
/// by the text.
///
/// ```
/// # use polars::prelude::*;
/// # use runframe::run;
/// # let aliases = |s: &[&str]| Series::new("".into(), s);
/// # let artifact = df!("name" => ["model", "model"], "version" => [1i64, 2], "size" => [10i64, 20],
/// #     "created_at" => [1i64, 2], "aliases" => [aliases(&[]), aliases(&["latest"])])?.into_struct("a".into()).into_series();
/// # let runs = df!("name" => ["r1"], "logged_artifacts" => [artifact])?;
/// // `runs` has one run that logged model:v1 and model:v2, the latter with the alias `latest`.
/// let latest = run::logged_artifact_version("model:latest").struct_();
/// let model = runs.lazy().select([
///     latest.field_by_names(["version", "size", "created_at"]),
///     run::logged_artifact_version("model:best").is_null().alias("no best"),
/// ]).collect()?;
/// assert_eq!(model.get_column_names(), ["version", "size", "created_at", "no best"]);
/// assert_eq!(model.column("version")?.i64()?.get(0), Some(2));
/// # Ok::<(), PolarsError>(())
/// ```
pub fn logged_artifact_version(reference: &str) -> Expr {
    version(LOGGED, reference)
}

/// The artifact version that the run used as `"name:alias"`: Struct; null if absent. As [`logged_artifact_version`].
pub fn used_artifact_version(reference: &str) -> Expr {
    version(USED, reference)
}

/// The highest version of the artifact `name` that the run logged, whatever its aliases: Struct; null if absent.
pub fn logged_artifact(name: &str) -> Expr {
    pick(LOGGED, Wanted { name: name.to_owned(), which: Which::Any }, name)
}

/// The highest version of the artifact `name` that the run used, whatever its aliases: Struct; null if absent.
///
/// Runs that used another version of the training data than 3:
///
/// ```
/// # use polars::prelude::*;
/// # use runframe::run;
/// # let used = |v: i64| df!("name" => ["training-data"], "version" => [v]).unwrap().into_struct("a".into()).into_series();
/// # let runs = df!("name" => ["r1", "r2"], "used_artifacts" => [used(3), used(2)])?;
/// let outdated = runs.lazy()
///     .filter(run::used_artifact("training-data").struct_().field_by_name("version").neq(lit(3)))
///     .collect()?;
/// assert_eq!(outdated.column("name")?.str()?.get(0), Some("r2"));
/// # Ok::<(), PolarsError>(())
/// ```
pub fn used_artifact(name: &str) -> Expr {
    pick(USED, Wanted { name: name.to_owned(), which: Which::Any }, name)
}

/// The logged artifact versions whose name contains `part`: List(Struct); empty if none does.
pub fn logged_containing(part: &str) -> Expr {
    keep(LOGGED, field("name").str().contains_literal(lit(part.to_owned())))
}

/// The used artifact versions whose name contains `part`: List(Struct); empty if none does.
pub fn used_containing(part: &str) -> Expr {
    keep(USED, field("name").str().contains_literal(lit(part.to_owned())))
}

/// The logged artifact versions of this artifact type (`model`, `dataset`): List(Struct); empty if there is none.
pub fn logged_of_type(kind: &str) -> Expr {
    keep(LOGGED, field("type").eq(lit(kind.to_owned())))
}

/// The used artifact versions of this artifact type (`model`, `dataset`): List(Struct); empty if there is none.
pub fn used_of_type(kind: &str) -> Expr {
    keep(USED, field("type").eq(lit(kind.to_owned())))
}

/// Which of the required outputs the run did not log: List(String), in the given order; empty if none is missing, null
/// where the artifacts are.
///
/// The texts are those of [`logged_artifact_version`].
///
/// ```
/// # use polars::prelude::*;
/// # use runframe::run;
/// # let aliases = Series::new("".into(), ["latest"]);
/// # let logged = df!("name" => ["model"], "version" => [0i64], "aliases" => [aliases])?.into_struct("a".into()).into_series();
/// # let runs = df!("name" => ["r1"], "logged_artifacts" => [logged])?;
/// // `runs` has one run, which logged model:latest only.
/// let missing = run::missing_logged(["model:latest", "evaluation:latest"]);
/// let lacking = runs.lazy().filter(missing.clone().list().len().gt(lit(0)))
///     .select([run::name(), missing.list().join(lit(", "), true)]).collect()?;
/// assert_eq!(lacking.column("missing")?.str()?.get(0), Some("evaluation:latest"));
/// # Ok::<(), PolarsError>(())
/// ```
pub fn missing_logged<S: AsRef<str>>(required: impl IntoIterator<Item = S>) -> Expr {
    missing(LOGGED, required)
}

/// Which of the required inputs the run did not use: List(String), as [`missing_logged`].
pub fn missing_used<S: AsRef<str>>(required: impl IntoIterator<Item = S>) -> Expr {
    missing(USED, required)
}

fn field(name: &str) -> Expr {
    element().struct_().field_by_name(name)
}

/// The list with only the elements for which `wanted` holds.
fn keep(column: &str, wanted: Expr) -> Expr {
    col(column).list().eval(element().filter(wanted))
}

/// What an artifact version is looked up by.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    name: String,
    which: Which,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Which {
    Any,
    Version(i64),
    Alias(String),
}

impl Wanted {
    /// Reads `name:alias`, `name:v3` or `name`.
    fn parse(reference: &str) -> Self {
        let (name, alias) = reference.split_once(':').unwrap_or((reference, ""));
        let index = alias.strip_prefix('v').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        let which = match index.and_then(|digits| digits.parse().ok()) {
            Some(index) => Which::Version(index),
            None if alias.is_empty() => Which::Alias("latest".to_owned()),
            None => Which::Alias(alias.to_owned()),
        };
        Wanted { name: name.to_owned(), which }
    }
}

fn version(column: &str, reference: &str) -> Expr {
    pick(column, Wanted::parse(reference), reference)
}

/// The best hit of each list as a struct.
fn pick(column: &str, wanted: Wanted, name: &str) -> Expr {
    let picked = move |lists: Column| {
        let lists = Lists::of(&lists)?;
        match &lists.items {
            Some(items) => {
                let hits = lists.hits(&Items::of(items, &wanted)?, &wanted)?;
                Ok(items.take(&hits)?.with_name(lists.name.clone()).into_column())
            }
            None => Ok(Column::full_null(lists.name.clone(), lists.height(), &version_dtype())),
        }
    };
    let dtype = |_: &Schema, field: &Field| {
        let inner = match field.dtype() {
            DataType::List(inner) if matches!(**inner, DataType::Struct(_)) => (**inner).clone(),
            _ => version_dtype(),
        };
        Ok(Field::new(field.name().clone(), inner))
    };
    col(column).map(picked, dtype).alias(name)
}

/// The texts of `required` that are not found.
fn missing<S: AsRef<str>>(column: &str, required: impl IntoIterator<Item = S>) -> Expr {
    let required: Vec<(String, Wanted)> =
        required.into_iter().map(|text| (text.as_ref().to_owned(), Wanted::parse(text.as_ref()))).collect();
    let list = move |lists: Column| {
        let lists = Lists::of(&lists)?;
        let mut found = Vec::with_capacity(required.len());
        for (_, wanted) in &required {
            found.push(match &lists.items {
                Some(items) => lists.hits(&Items::of(items, wanted)?, wanted)?,
                None => IdxCa::full_null(PlSmallStr::EMPTY, lists.height()),
            });
        }
        let height = lists.height();
        let mut out = ListStringChunkedBuilder::new(lists.name.clone(), height, height);
        for (row, span) in lists.spans.iter().enumerate() {
            match span {
                Some(_) => out.append_values_iter(
                    required
                        .iter()
                        .zip(&found)
                        .filter(|(_, hits)| hits.get(row).is_none())
                        .map(|((text, _), _)| text.as_str()),
                ),
                None => out.append_null(),
            }
        }
        Ok(out.finish().into_column())
    };
    let dtype =
        |_: &Schema, field: &Field| Ok(Field::new(field.name().clone(), DataType::List(Box::new(DataType::String))));
    col(column).map(list, dtype).alias("missing")
}

/// A column of lists, opened: where each row's elements lie among all elements.
pub(crate) struct Lists {
    name: PlSmallStr,
    /// Start and end of each row in `items`; `None` for a null list.
    pub(crate) spans: Vec<Option<(usize, usize)>>,
    /// All elements; `None` if no list has any, so that their type is not known.
    pub(crate) items: Option<Series>,
}

impl Lists {
    pub(crate) fn of(column: &Column) -> PolarsResult<Self> {
        let name = column.name().clone();
        if column.dtype() == &DataType::Null {
            return Ok(Lists { name, spans: vec![None; column.len()], items: None });
        }
        // One chunk, so that the offsets of all rows are into one array of elements.
        let lists = column.as_materialized_series().list()?.rechunk();
        let spans = spans(&lists);
        let items = lists.get_inner();
        match items.dtype() {
            DataType::Struct(_) => Ok(Lists { name, spans, items: Some(items) }),
            DataType::Null => Ok(Lists { name, spans, items: None }),
            other => polars_bail!(SchemaMismatch: "column {name} holds lists of {other}, not of artifact versions"),
        }
    }

    fn height(&self) -> usize {
        self.spans.len()
    }

    /// For each row the index of the best hit: the highest version, of equal ones the last; no version is lowest.
    fn hits(&self, items: &Items, wanted: &Wanted) -> PolarsResult<IdxCa> {
        let best = |&(start, end): &(usize, usize)| {
            (start..end)
                .filter(|&index| items.is(index, wanted))
                .max_by_key(|&index| items.version.get(index))
                .map(|index| index as IdxSize)
        };
        Ok(self.spans.iter().map(|span| span.as_ref().and_then(best)).collect())
    }
}

/// The parts of artifact versions that a look-up reads.
struct Items {
    name: StringChunked,
    version: Int64Chunked,
    aliases: Option<Aliases>,
}

/// All aliases of all versions, and where those of each version lie among them.
struct Aliases {
    spans: Vec<Option<(usize, usize)>>,
    texts: StringChunked,
}

impl Aliases {
    fn of(column: Series) -> PolarsResult<Self> {
        let lists = column.cast(&DataType::List(Box::new(DataType::String)))?.list()?.rechunk().into_owned();
        Ok(Aliases { spans: spans(&lists), texts: lists.get_inner().str()?.clone() })
    }

    fn contain(&self, version: usize, alias: &str) -> bool {
        let span = self.spans.get(version).copied().flatten();
        span.is_some_and(|(start, end)| (start..end).any(|at| self.texts.get(at) == Some(alias)))
    }
}

/// Where each row's elements lie among all elements of a list column of one chunk; `None` for a null list.
fn spans(lists: &ListChunked) -> Vec<Option<(usize, usize)>> {
    let mut spans = Vec::with_capacity(lists.len());
    for chunk in lists.downcast_iter() {
        let valid = chunk.validity();
        spans.extend(chunk.offsets().windows(2).enumerate().map(|(row, edge)| {
            valid.is_none_or(|valid| valid.get_bit(row)).then_some((edge[0] as usize, edge[1] as usize))
        }));
    }
    spans
}

impl Items {
    fn of(items: &Series, wanted: &Wanted) -> PolarsResult<Self> {
        let fields = items.struct_()?;
        let aliases = match wanted.which {
            Which::Alias(_) => Some(Aliases::of(fields.field_by_name("aliases")?)?),
            _ => None,
        };
        let version = fields.field_by_name("version")?.cast(&DataType::Int64)?.i64()?.clone();
        Ok(Items { name: fields.field_by_name("name")?.str()?.clone(), version, aliases })
    }

    fn is(&self, index: usize, wanted: &Wanted) -> bool {
        if self.name.get(index) != Some(wanted.name.as_str()) {
            return false;
        }
        match &wanted.which {
            Which::Any => true,
            Which::Version(version) => self.version.get(index) == Some(*version),
            Which::Alias(alias) => self.aliases.as_ref().is_some_and(|all| all.contain(index, alias)),
        }
    }
}

/// The type of one artifact version.
pub(super) fn version_dtype() -> DataType {
    let time = DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC));
    DataType::Struct(vec![
        Field::new("name".into(), DataType::String),
        Field::new("type".into(), DataType::String),
        Field::new("version".into(), DataType::Int64),
        Field::new("aliases".into(), DataType::List(Box::new(DataType::String))),
        Field::new("size".into(), DataType::Int64),
        Field::new("digest".into(), DataType::String),
        Field::new("state".into(), DataType::String),
        Field::new("created_at".into(), time),
        Field::new("id".into(), DataType::String),
    ])
}
