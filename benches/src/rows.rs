//! Rows as Postgres' binary COPY has them, and back into the database in the three ways that there are. It knows no column by name: whatever the table
//! has by now is read, kept and written.

use anyhow::{Context, ensure};
use sqlx::{
    Connection, Encode, PgConnection, Postgres, Row as _, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgTypeInfo, types::Oid},
};

/// Signature, flags, length of the header's extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

/// A value as Postgres sends it; `None` is null.
pub(crate) type Field = Option<Vec<u8>>;

/// Rows of one table.
#[derive(Debug)]
pub(crate) struct Rows {
    table: &'static str,
    columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<Field>>,
}

#[derive(Debug, Clone, Copy)]
struct Column {
    oid: Oid,
    array: Oid,
}

impl Rows {
    /// All rows of the table, in the order in which they lie there, which is the order in which they were written.
    pub(crate) async fn read(connection: &mut PgConnection, table: &'static str) -> anyhow::Result<Self> {
        let columns = sqlx::query(
            "select a.atttypid, t.typarray from pg_attribute a join pg_type t on t.oid = a.atttypid
             where a.attrelid = $1::text::regclass and a.attnum > 0 and not a.attisdropped order by a.attnum",
        )
        .bind(table)
        .fetch_all(&mut *connection)
        .await?;
        let columns: Vec<_> = columns.iter().map(|row| Column { oid: row.get(0), array: row.get(1) }).collect();
        let mut bytes = Vec::new();
        let mut copied = connection.copy_out_raw(&format!("copy {table} to stdout (format binary)")).await?;
        while let Some(piece) = futures::StreamExt::next(&mut copied).await {
            bytes.extend_from_slice(&piece?);
        }
        drop(copied);
        let rows = parse(&bytes, columns.len()).context("what COPY sent")?;
        Ok(Self { table, columns, rows })
    }

    /// Ready for COPY: everything between a statement's header and its end.
    pub(crate) fn copy_batches(&self, size: usize) -> Vec<Vec<u8>> {
        self.rows.chunks(size).map(encoded).collect()
    }

    /// One transaction.
    pub(crate) async fn copy(&self, connection: &mut PgConnection, batch: &[u8]) -> anyhow::Result<()> {
        let mut tx = connection.begin().await?;
        let mut copy = tx.copy_in_raw(&format!("copy {} from stdin (format binary)", self.table)).await?;
        copy.send(batch).await?;
        copy.finish().await?;
        Ok(tx.commit().await?)
    }

    /// One transaction with one statement: whole columns as arrays.
    pub(crate) async fn unnest(&self, connection: &mut PgConnection, rows: &[Vec<Field>]) -> anyhow::Result<()> {
        let parameters: Vec<_> = self.columns.iter().enumerate().map(|(number, _)| format!("${}", number + 1)).collect();
        let statement = format!("insert into {} select * from unnest({}) on conflict do nothing", self.table, parameters.join(", "));
        let mut query = sqlx::query(sqlx::AssertSqlSafe(statement));
        for (number, column) in self.columns.iter().enumerate() {
            query = query.bind(Raw { oid: column.array, bytes: Some(array(column.oid, rows.iter().map(|row| row[number].as_deref()))) });
        }
        let mut tx = connection.begin().await?;
        let written = query.execute(&mut *tx).await?.rows_affected();
        ensure!(written == rows.len() as u64, "{written} rows instead of {}", rows.len());
        Ok(tx.commit().await?)
    }

    /// A statement and a transaction for each row.
    pub(crate) async fn one_by_one(&self, connection: &mut PgConnection, rows: &[Vec<Field>]) -> anyhow::Result<()> {
        let parameters: Vec<_> = self.columns.iter().enumerate().map(|(number, _)| format!("${}", number + 1)).collect();
        let statement = format!("insert into {} values ({})", self.table, parameters.join(", "));
        for row in rows {
            let mut query = sqlx::query(sqlx::AssertSqlSafe(statement.clone()));
            for (field, column) in row.iter().zip(&self.columns) {
                query = query.bind(Raw { oid: column.oid, bytes: field.clone() });
            }
            query.execute(&mut *connection).await?;
        }
        Ok(())
    }
}

/// A parameter that is in Postgres' binary form already.
struct Raw {
    oid: Oid,
    bytes: Field,
}

impl Type<Postgres> for Raw {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(0))
    }
}

impl Encode<'_, Postgres> for Raw {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        match &self.bytes {
            Some(bytes) => {
                buffer.extend_from_slice(bytes);
                Ok(IsNull::No)
            }
            None => Ok(IsNull::Yes),
        }
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_oid(self.oid))
    }
}

fn array<'a>(element: Oid, values: impl ExactSizeIterator<Item = Option<&'a [u8]>>) -> Vec<u8> {
    let mut out = Vec::new();
    for head in [1, 1, element.0, values.len() as u32, 1] {
        out.extend_from_slice(&head.to_be_bytes());
    }
    values.for_each(|value| push(&mut out, value));
    out
}

fn encoded(rows: &[Vec<Field>]) -> Vec<u8> {
    let mut out = HEADER.to_vec();
    for row in rows {
        out.extend_from_slice(&(row.len() as i16).to_be_bytes());
        row.iter().for_each(|field| push(&mut out, field.as_deref()));
    }
    out.extend_from_slice(&TRAILER);
    out
}

fn push(out: &mut Vec<u8>, value: Option<&[u8]>) {
    out.extend_from_slice(&value.map_or(-1, |value| value.len() as i32).to_be_bytes());
    out.extend_from_slice(value.unwrap_or_default());
}

fn parse(bytes: &[u8], columns: usize) -> Option<Vec<Vec<Field>>> {
    let mut rest = bytes.strip_prefix(HEADER)?;
    let mut rows = Vec::new();
    loop {
        let (count, after) = rest.split_first_chunk()?;
        if *count == TRAILER {
            return Some(rows);
        }
        if usize::try_from(i16::from_be_bytes(*count)).ok()? != columns {
            return None;
        }
        rest = after;
        let mut row = Vec::with_capacity(columns);
        for _ in 0..columns {
            let (len, after) = rest.split_first_chunk()?;
            rest = after;
            row.push(match usize::try_from(i32::from_be_bytes(*len)) {
                Ok(len) => {
                    let (value, after) = rest.split_at_checked(len)?;
                    rest = after;
                    Some(value.to_vec())
                }
                Err(_) => None,
            });
        }
        rows.push(row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_for_copy_is_read_as_it_was_nulls_and_empty_values_too() {
        let rows = vec![vec![Some(b"one".to_vec()), None], vec![Some(Vec::new()), Some(vec![0, 255])]];
        assert_eq!(parse(&encoded(&rows), 2), Some(rows.clone()));
        assert_eq!(parse(&encoded(&rows), 3), None);
        assert_eq!(parse(&encoded(&rows)[..30], 2), None);
    }
}
