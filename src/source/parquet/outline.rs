//! Where the parts of a Parquet footer lie, so that of thousands of columns only those that are asked for are decoded.
//!
//! A footer is a Thrift structure: schema, number of rows, row groups with a chunk of metadata for each leaf column, pairs of
//! texts. Nearly all of it are the chunks. They are walked over once, for where each begins; a footer that tells of some columns
//! and groups only is then put together from the bytes of their parts, and Polars decodes that.

use super::thrift::{I32, I64, LIST, STRUCT, TEXT, Thrift};
use std::ops::Range;

/// Levels of the schema.
const LEVELS: usize = 100;

/// The parts of a footer, by where they lie in its bytes.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    version: i64,
    /// How many rows it announces.
    pub(super) rows: i64,
    /// The name of the schema.
    root: Range<usize>,
    /// The columns of the table, in order.
    pub(super) columns: Vec<Place>,
    /// Leaves of all columns.
    leaves: usize,
    pub(super) groups: Vec<Group>,
    pairs: Vec<Pair>,
}

/// A key and its value.
type Pair = (Range<usize>, Range<usize>);

/// A column of the table.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    name: Range<usize>,
    /// Where the name begins with its length.
    head: usize,
    /// Its element of the schema and those below it.
    elements: Range<usize>,
    count: usize,
    /// Which of the leaf columns are its.
    leaves: Range<usize>,
}

/// A group of rows.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) rows: i64,
    bytes: i64,
    /// Where the chunk of each leaf begins, and where the last one ends.
    chunks: Vec<u32>,
}

impl Outline {
    /// Walks over a footer.
    ///
    /// # Errors
    /// If it announces more than it holds, is nested too deeply, or has no schema that is a tree.
    pub(crate) fn of(footer: &[u8]) -> Result<Outline, String> {
        let (mut walk, mut found, mut field) = (Thrift::new(footer), Outline::default(), 0);
        while let Some(kind) = walk.field(&mut field)? {
            match (field, kind) {
                (1, I32) => found.version = walk.zigzag()?,
                (2, LIST) => found.schema(&mut walk)?,
                (3, I64) => found.rows = walk.zigzag()?,
                (4, LIST) => found.groups = walk.structures(group)?,
                (5, LIST) => found.pairs = walk.structures(pair)?.into_iter().flatten().collect(),
                _ => walk.pass(kind)?,
            }
        }
        Ok(found)
    }

    /// The elements stand in order, each before its children.
    fn schema(&mut self, walk: &mut Thrift<'_>) -> Result<(), String> {
        (self.columns, self.leaves) = (Vec::new(), 0);
        // How many children are still to come, on each level.
        let mut open: Vec<usize> = Vec::new();
        let (mut most, mut is_root) = (0, true);
        walk.structures(|walk| {
            let (start, first) = (walk.at, std::mem::take(&mut is_root));
            let Element { head, name, children } = element(walk)?;
            most = most.max(children);
            let children = usize::try_from(children).map_err(|_| strange(children))?;
            while open.last() == Some(&0) {
                open.pop();
            }
            match open.last_mut() {
                Some(left) => *left -= 1,
                None if first => self.root = name.clone(),
                None => return Err("its schema has more than one root".to_owned()),
            }
            if open.len() == 1 {
                let (elements, leaves) = (start..start, self.leaves..self.leaves);
                self.columns.push(Place { name, head, elements, count: 0, leaves });
            }
            self.leaves += usize::from(!first && children == 0);
            if let Some(column) = self.columns.last_mut() {
                column.count += 1;
                (column.elements.end, column.leaves.end) = (walk.at, self.leaves);
            }
            if children > 0 {
                open.push(children);
            }
            match open.len() > LEVELS {
                true => Err(format!("its schema is nested more than {LEVELS} levels deep")),
                false => Ok(()),
            }
        })?;
        match open.iter().all(|left| *left == 0) {
            true => Ok(()),
            // More children than there are elements.
            false => Err(strange(most)),
        }
    }

    /// Checks that its parts agree with each other.
    ///
    /// # Errors
    /// If there are more or fewer rows or chunks than is said elsewhere.
    pub(super) fn agree(&self) -> Result<(), String> {
        let mut rows = 0i64;
        for group in &self.groups {
            let chunks = group.chunks.len().saturating_sub(1);
            if chunks != self.leaves {
                return Err(format!("a group of rows has {chunks} columns, its schema {}", self.leaves));
            }
            if group.rows < 0 {
                return Err(format!("a group of rows is said to have {}", group.rows));
            }
            rows = rows.saturating_add(group.rows);
        }
        match rows == self.rows {
            true => Ok(()),
            false => Err(format!("its groups have {rows} rows, its footer says {}", self.rows)),
        }
    }

    /// The name of a column.
    pub(super) fn name<'a>(&self, footer: &'a [u8], column: usize) -> &'a [u8] {
        self.columns.get(column).and_then(|place| footer.get(place.name.clone())).unwrap_or_default()
    }

    /// The last value of a key among the pairs.
    pub(super) fn value<'a>(&self, footer: &'a [u8], key: &str) -> Option<&'a str> {
        let text = |range: &Range<usize>| footer.get(range.clone());
        let (_, value) = self.pairs.iter().rfind(|(name, _)| text(name) == Some(key.as_bytes()))?;
        std::str::from_utf8(text(value)?).ok()
    }

    /// A footer that tells of these columns, of these groups, and has the pairs with these keys.
    pub(super) fn part(&self, footer: &[u8], columns: &[usize], groups: &[usize], keys: &[&str]) -> Vec<u8> {
        let piece = |range: Range<usize>| footer.get(range).unwrap_or_default();
        let columns: Vec<&Place> = columns.iter().filter_map(|at| self.columns.get(*at)).collect();
        let groups: Vec<&Group> = groups.iter().filter_map(|at| self.groups.get(*at)).collect();
        let pairs: Vec<_> =
            self.pairs.iter().filter(|(key, _)| keys.iter().any(|k| piece(key.clone()) == k.as_bytes())).collect();
        let mut part = Made(Vec::new());
        part.integer(1, I32, self.version);
        part.list(1, 1 + columns.iter().map(|column| column.count).sum::<usize>());
        part.text(4, piece(self.root.clone()));
        part.integer(1, I32, columns.len() as i64);
        part.end();
        columns.iter().for_each(|column| part.0.extend_from_slice(piece(column.elements.clone())));
        part.integer(1, I64, groups.iter().fold(0i64, |all, group| all.saturating_add(group.rows)));
        part.list(1, groups.len());
        for group in groups {
            part.list(1, columns.iter().map(|column| column.leaves.len()).sum());
            for column in &columns {
                // From where its first leaf begins to where the next column does.
                let bounds = [column.leaves.start, column.leaves.end]
                    .map(|at| group.chunks.get(at).map_or(0, |at| *at as usize));
                part.0.extend_from_slice(piece(bounds[0]..bounds[1]));
            }
            part.integer(1, I64, group.bytes);
            part.integer(1, I64, group.rows);
            part.end();
        }
        if !pairs.is_empty() {
            part.list(1, pairs.len());
            for (key, value) in pairs {
                part.text(1, piece(key.clone()));
                part.text(1, piece(value.clone()));
                part.end();
            }
        }
        part.end();
        part.0
    }
}

impl Place {
    /// All that the schema says of it but its name.
    pub(super) fn shape<'a>(&self, footer: &'a [u8]) -> [&'a [u8]; 2] {
        let Range { start, end } = self.elements;
        [start..self.head, self.name.end..end].map(|range| footer.get(range).unwrap_or_default())
    }
}

fn strange(children: i64) -> String {
    format!("its schema says that a group has {children} children")
}

/// An element of the schema.
struct Element {
    head: usize,
    name: Range<usize>,
    children: i64,
}

fn element(walk: &mut Thrift<'_>) -> Result<Element, String> {
    let (mut found, mut children, mut field) = (None, 0, 0);
    while let Some(kind) = walk.field(&mut field)? {
        match (field, kind) {
            (4, TEXT) => found = Some((walk.at, walk.text()?)),
            (5, I32) => children = walk.zigzag()?,
            _ => walk.pass(kind)?,
        }
    }
    let (head, name) = found.ok_or("an element of its schema has no name")?;
    Ok(Element { head, name, children })
}

fn group(walk: &mut Thrift<'_>) -> Result<Group, String> {
    let (mut group, mut field) = (Group::default(), 0);
    while let Some(kind) = walk.field(&mut field)? {
        match (field, kind) {
            (1, LIST) => {
                group.chunks = walk.structures(|walk| Ok((walk.at as u32, walk.pass(STRUCT)?).0))?;
                group.chunks.push(walk.at as u32);
            }
            (2, I64) => group.bytes = walk.zigzag()?,
            (3, I64) => group.rows = walk.zigzag()?,
            _ => walk.pass(kind)?,
        }
    }
    Ok(group)
}

/// A key and its value, if it has one.
fn pair(walk: &mut Thrift<'_>) -> Result<Option<Pair>, String> {
    let (mut key, mut value, mut field) = (None, None, 0);
    while let Some(kind) = walk.field(&mut field)? {
        match (field, kind) {
            (1, TEXT) => key = Some(walk.text()?),
            (2, TEXT) => value = Some(walk.text()?),
            _ => walk.pass(kind)?,
        }
    }
    Ok(key.zip(value))
}

/// Thrift that is put together.
struct Made(Vec<u8>);

impl Made {
    /// The head of a field, so many numbers behind the last one.
    fn field(&mut self, delta: u8, kind: u8) {
        self.0.push(delta << 4 | kind);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn integer(&mut self, delta: u8, kind: u8, value: i64) {
        self.field(delta, kind);
        self.varint((value << 1 ^ value >> 63).cast_unsigned());
    }

    fn text(&mut self, delta: u8, text: &[u8]) {
        self.field(delta, TEXT);
        self.varint(text.len() as u64);
        self.0.extend_from_slice(text);
    }

    /// The head of a list of structures.
    fn list(&mut self, delta: u8, count: usize) {
        self.field(delta, LIST);
        match u8::try_from(count) {
            Ok(count @ ..15) => self.0.push(count << 4 | STRUCT),
            _ => {
                self.0.push(0xf0 | STRUCT);
                self.varint(count as u64);
            }
        }
    }

    /// The end of a structure.
    fn end(&mut self) {
        self.0.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::*;
    use polars_io::prelude::ParquetWriter;
    use polars_parquet::parquet::read::deserialize_metadata;
    use polars_parquet::read::FileMetadata;

    fn check(footer: &[u8]) -> std::result::Result<(), String> {
        Outline::of(footer).map(drop)
    }

    /// A field of the schema: a list of groups, each with so many children.
    fn schema(children: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x29, 0xfc, children.len() as u8];
        // Field 4, a text; field 5, an i32, in zigzag; then the end of the structure.
        children.iter().for_each(|count| bytes.extend([0x48, 1, b'x', 0x15, count * 2, 0]));
        bytes.push(0);
        bytes
    }

    #[test]
    fn what_a_footer_announces_is_bounded() {
        assert_eq!(check(&[0]), Ok(()));
        assert_eq!(check(&schema(&[2, 0, 1, 0])), Ok(()));
        let cases: [(&[u8], &str); 6] = [
            (&[], "it ends inside of its metadata"),
            // A list of 2^31 - 1 structures in field 4.
            (
                &[0x49, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0],
                "a list in its metadata announces 2147483647 elements, and 1 bytes are left",
            ),
            (&[0x18, 0x7f, b'a'], "a text in its metadata announces 127 bytes, and 1 are left"),
            (&[0x15, 0x80], "it ends inside of its metadata"),
            (&[0x1d, 0], "its metadata holds a value of type 13, which there is not"),
            (
                &[0x16, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                "a number in its metadata has no end",
            ),
        ];
        for (bytes, message) in cases {
            assert_eq!(check(bytes), Err(message.to_owned()), "{bytes:x?}");
        }
        // What is passed over is looked at all the same; lists of the parts that are not hold structures.
        for (bytes, message) in [
            (&[0x40, 0][..], "its metadata holds a value of type 0, which there is not"),
            (&[0x69, 0x10, 0], "its metadata holds a value of type 0, which there is not"),
            (&[0x20, 0], "its metadata holds a value of type 0, which there is not"),
            (&[0x49, 0x10, 0], "a list in its metadata holds values of type 0 in place of structures"),
            (&[0x29, 0x18, 0, 0], "a list in its metadata holds values of type 8 in place of structures"),
            (&[0x29, 0x1c, 0, 0], "an element of its schema has no name"),
        ] {
            assert_eq!(check(bytes), Err(message.to_owned()), "{bytes:x?}");
        }
        assert_eq!(check(&[0x41, 0x11, 0x69, 0x21, 1, 2, 0]), Ok(()), "bools in fields and in lists");
        // Structures in structures, and lists in lists.
        for deep in [vec![0x1c; 1_000_000], vec![0x19; 1_000_000]] {
            let error = check(&deep).unwrap_err();
            assert!(error.starts_with("its metadata is nested more than 32") || error.starts_with("a list"), "{error}");
        }
        let lists = [&[0x19][..], &[0x19; 100], &[0x10, 0]].concat();
        assert_eq!(check(&lists).unwrap_err(), "its metadata is nested more than 32 levels deep");
    }

    #[test]
    fn schemas_are_trees_of_their_own_size() {
        let deep = |levels| [vec![1; levels], vec![0]].concat();
        assert_eq!(check(&schema(&deep(90))), Ok(()));
        assert_eq!(check(&schema(&deep(110))).unwrap_err(), "its schema is nested more than 100 levels deep");
        assert_eq!(check(&schema(&[1, 9, 0])).unwrap_err(), "its schema says that a group has 9 children");
        assert_eq!(check(&schema(&[1, 0, 0])).unwrap_err(), "its schema has more than one root");
        // Many groups side by side are no depth.
        let wide: Vec<u8> = [vec![60], [1, 0].repeat(60)].concat();
        assert_eq!(check(&schema(&wide)), Ok(()));
    }

    /// The footer of a file with plain and nested columns, and that decoded.
    fn footer() -> (Vec<u8>, FileMetadata) {
        let pairs = df!("a" => [1i64, 2, 3], "b" => ["x", "y", "z"]).unwrap().into_struct("pair".into()).into_series();
        let lists = Series::new("lists".into(), [pairs.slice(0, 1), pairs.slice(1, 2), pairs.slice(0, 0)]);
        let columns =
            [pairs, Series::new("plain".into(), [0.5, 1.5, 2.5]), lists, Series::new("text".into(), ["", "b", "c"])];
        let mut table = DataFrame::new(3, columns.into_iter().map(Column::from).collect()).unwrap();
        let mut bytes = Vec::new();
        ParquetWriter::new(&mut bytes).with_row_group_size(Some(1)).finish(&mut table).unwrap();
        let end = bytes.len() - 8;
        let length = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
        let footer = bytes[end - length..end].to_vec();
        let decoded = deserialize_metadata(footer.clone().into()).unwrap();
        (footer, decoded)
    }

    /// What is decoded of the leaves of a column in a group.
    fn leaves(footer: &FileMetadata, group: usize, column: &str) -> Vec<String> {
        let leaves = footer.row_groups[group].columns_under_root_iter(column).unwrap();
        let told = leaves.map(|leaf| {
            let statistics = leaf.statistics(&footer.footer_buf).map(|found| format!("{:?}", found.unwrap()));
            format!(
                "{:?} {:?} {} {statistics:?}",
                leaf.descriptor().path_in_schema,
                leaf.byte_range(),
                leaf.num_values()
            )
        });
        told.collect()
    }

    #[test]
    fn a_part_tells_what_the_whole_does() {
        let (bytes, whole) = footer();
        let outline = Outline::of(&bytes).unwrap();
        outline.agree().unwrap();
        let names = ["pair", "plain", "lists", "text"];
        assert_eq!(outline.columns.len(), names.len());
        assert!((0..4).all(|at| outline.name(&bytes, at) == names[at].as_bytes()));
        for columns in [&[][..], &[0], &[1], &[2], &[3], &[3, 0], &[0, 1, 2, 3]] {
            for groups in [&[][..], &[0], &[2, 0], &[0, 1, 2]] {
                let part = deserialize_metadata(outline.part(&bytes, columns, groups, &[]).into()).unwrap();
                assert_eq!((part.row_groups.len(), part.num_rows), (groups.len(), groups.len()));
                assert_eq!(part.schema().fields().len(), columns.len());
                for (at, group) in groups.iter().enumerate() {
                    let all: usize = columns.iter().map(|column| leaves(&whole, *group, names[*column]).len()).sum();
                    assert_eq!(part.row_groups[at].parquet_columns().len(), all);
                    for name in columns.iter().map(|column| names[*column]) {
                        assert_eq!(
                            leaves(&part, at, name),
                            leaves(&whole, *group, name),
                            "{name} of {columns:?} {groups:?}"
                        );
                    }
                }
            }
        }
        let key = "ARROW:schema";
        let part = deserialize_metadata(outline.part(&bytes, &[], &[], &[key]).into()).unwrap();
        let value = part.key_value_metadata.unwrap().remove(0).value.unwrap();
        assert_eq!(outline.value(&bytes, key), Some(value.as_str()));
        assert_eq!(outline.value(&bytes, "other"), None);
    }

    #[test]
    fn parts_that_do_not_agree_are_told() {
        let (bytes, _) = footer();
        let changed = |change: fn(&mut Outline)| {
            let mut outline = Outline::of(&bytes).unwrap();
            change(&mut outline);
            outline.agree().unwrap_err()
        };
        assert_eq!(changed(|outline| outline.rows = 4), "its groups have 3 rows, its footer says 4");
        assert_eq!(changed(|outline| outline.groups[1].rows = -1), "a group of rows is said to have -1");
        assert_eq!(
            changed(|outline| outline.groups[1].chunks.truncate(6)),
            "a group of rows has 5 columns, its schema 6"
        );
    }
}
