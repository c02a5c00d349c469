//! Writes what the fuzzers begin with, from the golden fixtures: `seeds FIXTURES CORPUS`.

use std::{error::Error, fs, path::Path};

use parley_proto::{item::Item, segment::Group};
use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [fixtures, corpus] = &arguments[..] else { return Err("usage: seeds FIXTURES CORPUS".into()) };
    let (fixtures, corpus) = (Path::new(fixtures), Path::new(corpus));
    let read = |name: &str| -> Result<Value, Box<dyn Error>> { Ok(serde_json::from_slice(&fs::read(fixtures.join(name))?)?) };

    let frames = array(read("client_frames.json")?).into_iter().map(|frame| frame.to_string().into_bytes());
    let refused = array(read("client_frames_refused.json")?).into_iter().filter_map(|example| example["text"].as_str().map(|text| text.as_bytes().to_vec()));
    write(&corpus.join("frame"), frames.chain(refused))?;

    let records = read("records_v1.json")?.as_object().cloned().unwrap_or_default();
    // Behind a byte that says whether the checksum is to be made right.
    let records = records.values().filter_map(|record| record["hex"].as_str()).map(|text| hex::decode(text).map(|bytes| [vec![0], bytes].concat()));
    write(&corpus.join("record"), records.collect::<Result<Vec<_>, _>>()?)?;

    let frames = array(read("server_frames.json")?);
    let items: Vec<Item> = frames.iter().flat_map(|frame| array(frame["items"].clone())).filter_map(|item| serde_json::from_value(item).ok()).collect();
    let groups = items.iter().map(|item| Group::new([(item.position, item)]).to_bytes().to_vec());
    write(&corpus.join("group"), groups.chain([Group::empty().to_bytes().to_vec()]))?;

    let claims = r#"{"iss":"parley","aud":"parley","sub":"01930f2e-7b4a-7c3d-9e8f-1a2b3c4d5e6f","sid":"01930f2e-7b4a-7c3d-9e8f-1a2b3c4d5e6f","iat":1700000000,"exp":1700000600}"#;
    let header = r#"{"typ":"JWT","alg":"HS256","kid":"k"}"#;
    write(&corpus.join("access_token"), [format!("{header}\0{claims}").into_bytes(), b"eyJhbGciOiJub25lIn0.e30.".to_vec()])?;
    let resume = [vec![1], vec![7; 48], vec![0, 1], vec![9; 32]].concat();
    write(&corpus.join("signed"), [br#"{"backward":false,"key":7}"#.to_vec(), resume])?;
    write(&corpus.join("settings"), [b"PARLEY_LISTEN=127.0.0.1:0\nPARLEY_PUBLIC_ORIGINS=https://chat.example\nPARLEY_ACCESS_LIFETIME=5m\n".to_vec()])
}

fn array(value: Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn write(folder: &Path, seeds: impl IntoIterator<Item = Vec<u8>>) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    for (number, seed) in seeds.into_iter().enumerate() {
        fs::write(folder.join(format!("seed-{number}")), seed)?;
    }
    Ok(())
}
