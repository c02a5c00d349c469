//! The one question to Kafka that proves that it serves: metadata. Spoken by hand, since a client library would weigh more than everything else here.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const METADATA: i16 = 3;
/// The first version with everything needed and the last two before tagged fields are of the same shape.
const METADATA_VERSION: i16 = 4;
/// An answer without topics is far smaller, in bytes.
const ANSWER_BYTES_MAX: i32 = 1 << 20;

/// The brokers that the cluster knows to be alive, by node id and port.
pub async fn brokers(addr: SocketAddr) -> Result<Vec<(i32, i32)>, String> {
    let exchange = async {
        let mut stream = TcpStream::connect(addr).await?;
        stream.write_all(&question()).await?;
        let length = stream.read_i32().await?;
        if !(0..=ANSWER_BYTES_MAX).contains(&length) {
            return Ok(Vec::new());
        }
        let mut answer = vec![0; usize::try_from(length).unwrap_or(0)];
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    };
    let answer = exchange.await.map_err(|error: std::io::Error| error.to_string())?;
    parse(&answer).ok_or_else(|| "the answer is not Kafka's".to_owned())
}

/// No topics, and none is to be made.
fn question() -> Vec<u8> {
    let client = b"parley-cluster";
    let mut body = Vec::new();
    body.extend(METADATA.to_be_bytes());
    body.extend(METADATA_VERSION.to_be_bytes());
    body.extend(1_i32.to_be_bytes());
    body.extend((client.len() as i16).to_be_bytes());
    body.extend(client);
    body.extend(0_i32.to_be_bytes());
    body.push(0);
    let mut question = (body.len() as i32).to_be_bytes().to_vec();
    question.extend(body);
    question
}

/// Correlation id, throttle time, then the brokers; the rest is not looked at.
fn parse(answer: &[u8]) -> Option<Vec<(i32, i32)>> {
    let mut rest = answer.get(8..)?;
    let count = take_i32(&mut rest)?;
    (0..count)
        .map(|_| {
            let node = take_i32(&mut rest)?;
            skip_string(&mut rest)?;
            let port = take_i32(&mut rest)?;
            skip_string(&mut rest)?;
            Some((node, port))
        })
        .collect()
}

fn take_i32(rest: &mut &[u8]) -> Option<i32> {
    let (bytes, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(i32::from_be_bytes(*bytes))
}

/// A negative length is a string that is not there.
fn skip_string(rest: &mut &[u8]) -> Option<()> {
    let (bytes, after) = rest.split_first_chunk()?;
    let length = usize::try_from(i16::from_be_bytes(*bytes)).unwrap_or(0);
    *rest = after.get(length..)?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_are_read_and_a_short_answer_is_none() {
        let answer = [&[0; 8][..], &[0, 0, 0, 1], &[0, 0, 0, 7], &[0, 1, b'h'], &[0, 0, 0x23, 0x84], &[0xff, 0xff], &[9, 9]].concat();
        assert_eq!(parse(&answer), Some(vec![(7, 9_092)]));
        assert!((0..answer.len() - 2).all(|length| parse(&answer[..length]).is_none()));
    }
}
