//! Rows in the binary form of COPY, which Postgres takes with less work than any INSERT: nothing is planned, and rows come into the table by the page.

use sqlx::PgConnection;
use uuid::Uuid;

/// Signature, flags, length of the header's extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Instead of a row's number of fields.
const END: i16 = -1;
/// Instead of a field's length.
const NULL: i32 = -1;

/// Rows for one statement. Each field has to be what its column is: nothing is converted.
#[derive(Debug)]
pub(super) struct CopyRows {
    bytes: Vec<u8>,
}

impl CopyRows {
    pub(super) fn new() -> Self {
        Self { bytes: HEADER.to_vec() }
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Begins a row with so many fields, which have to follow.
    pub(super) fn row(&mut self, fields: i16) -> &mut Self {
        self.bytes.extend_from_slice(&fields.to_be_bytes());
        self
    }

    pub(super) fn int(&mut self, value: impl Into<Option<i64>>) -> &mut Self {
        self.field(value.into().map(i64::to_be_bytes))
    }

    pub(super) fn bool(&mut self, value: bool) -> &mut Self {
        self.field(Some([u8::from(value)]))
    }

    pub(super) fn uuid(&mut self, value: Uuid) -> &mut Self {
        self.field(Some(value.as_bytes()))
    }

    /// A text or bytes.
    pub(super) fn field(&mut self, value: Option<impl AsRef<[u8]>>) -> &mut Self {
        match value.as_ref().map(AsRef::as_ref) {
            Some(value) => {
                // What is too long for a length is too long for Postgres, whatever is said here.
                self.bytes.extend_from_slice(&i32::try_from(value.len()).unwrap_or(i32::MAX).to_be_bytes());
                self.bytes.extend_from_slice(value);
            }
            None => self.bytes.extend_from_slice(&NULL.to_be_bytes()),
        }
        self
    }

    /// Runs `copy … from stdin (format binary)` with these rows.
    pub(super) async fn send(mut self, connection: &mut PgConnection, statement: &str) -> Result<(), sqlx::Error> {
        self.bytes.extend_from_slice(&END.to_be_bytes());
        let mut copy = connection.copy_in_raw(statement).await?;
        copy.send(self.bytes).await?;
        copy.finish().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_not_the_same_as_empty() {
        let mut rows = CopyRows::new();
        rows.row(3).int(None).field(Some("")).bool(true);
        assert_eq!(rows.bytes[HEADER.len()..], [0, 3, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
    }
}
