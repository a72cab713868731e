"""Traffic for scripts/deb-test: deb-test.py ROLE …; each writes what it has seen to a file, in one piece, whenever it has seen more.

listen FILE PORT            counts datagrams and connections that arrive, at any address
send FILE ADDRESS PORT      sends 100 datagrams and 100 requests for connections a second, and counts the rounds
echo PORT                   gives back what it gets
talk FILE ADDRESS PORT      one connection, on which it says something 20 times a second and waits for the answer; counts the answers
"""

import os
import select
import socket
import sys
import time


def save(path, text):
    with open(path + ".new", "w") as file:
        file.write(f"{text}\n")
    os.rename(path + ".new", path)


def listen(path, port):
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("0.0.0.0", port))
    connections = socket.create_server(("0.0.0.0", port), backlog=128)
    count = 0
    save(path, count)
    while True:
        for ready in select.select([datagrams, connections], [], [])[0]:
            if ready is datagrams:
                datagrams.recv(100)
            else:
                connections.accept()[0].close()
            count += 1
            save(path, count)


def send(path, address, port):
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    waiting = []
    rounds = 0
    while True:
        # Whatever the kernel says to it (there may be no link): it goes on.
        try:
            datagrams.sendto(b"x", (address, port))
        except OSError:
            pass
        connection = socket.socket()
        connection.setblocking(False)
        connection.connect_ex((address, port))
        waiting.append(connection)
        if len(waiting) > 20:
            waiting.pop(0).close()
        rounds += 1
        save(path, rounds)
        time.sleep(0.01)


def echo(port):
    listener = socket.create_server(("0.0.0.0", port))
    sockets = [listener]
    while True:
        for ready in select.select(sockets, [], [])[0]:
            if ready is listener:
                sockets.append(listener.accept()[0])
                continue
            data = ready.recv(1000)
            if data:
                ready.sendall(data)
            else:
                sockets.remove(ready)
                ready.close()


def talk(path, address, port):
    count = 0
    # Whoever it talks to is started at the same time.
    connection = None
    while not connection:
        try:
            connection = socket.create_connection((address, port), timeout=5)
        except OSError:
            time.sleep(0.1)
    try:
        while True:
            connection.sendall(b"x")
            if connection.recv(1) != b"x":
                raise OSError("no answer")
            count += 1
            save(path, count)
            time.sleep(0.05)
    except OSError as error:
        save(path, f"broken after {count}: {error}")


role, arguments = sys.argv[1], sys.argv[2:]
{"listen": listen, "send": send, "echo": echo, "talk": talk}[role](
    *(int(word) if word.isdigit() else word for word in arguments)
)
