//! One link of a chain: a program that gets a stream and passes it on while it writes it down. The
//! fastest way to many hosts as long as every one of them is well. Its two ends alone are the flow
//! that the goodput of a link is measured by.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use crate::Outcome;

/// `relay source NEXT FILE`, which waits for a line, or `relay sink ADDRESS FILE NEXT`, where `-` is the end of the chain.
pub(crate) fn run(words: &[&str]) -> Outcome<()> {
    match words {
        ["source", next, file] => source(next, file),
        ["sink", address, file, next] => sink(address, file, next),
        _ => Err("usage: relay source NEXT FILE | relay sink ADDRESS FILE (NEXT|-)".into()),
    }
}

fn source(next: &str, file: &str) -> Outcome<()> {
    let mut out = TcpStream::connect((next, PORT))?;
    io::stdin().read_line(&mut String::new())?;
    // `copy` between a file and a socket is sendfile.
    io::copy(&mut File::open(file)?, &mut out)?;
    Ok(())
}

fn sink(address: &str, file: &str, next: &str) -> Outcome<()> {
    let listener = TcpListener::bind((address, PORT))?;
    println!("listening");
    let mut next = match next {
        "-" => None,
        next => Some(TcpStream::connect((next, PORT))?),
    };
    println!("connected");
    let (mut stream, _) = listener.accept()?;
    let mut file = File::create(file)?;
    let mut block = vec![0; 128 << 10];
    loop {
        let read = stream.read(&mut block)?;
        if read == 0 {
            break;
        }
        if let Some(next) = &mut next {
            next.write_all(&block[..read])?;
        }
        file.write_all(&block[..read])?;
    }
    println!("complete");
    Ok(())
}

/// Where each relay listens.
pub(crate) const PORT: u16 = 7000;
