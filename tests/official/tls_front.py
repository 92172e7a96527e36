"""A TLS front for `lcic-sync simulate`, for clients that insist on https (tccli does).

    python tests/official/tls_front.py CERT KEY [LISTEN_PORT [SIMULATOR_PORT]]

Passes every byte on unchanged, so the Host header and the signature stay as the client made them.
"""

import asyncio
import ssl
import sys

CERT, KEY = sys.argv[1:3]
PORT, SIMULATOR = (int(text) for text in (sys.argv[3:] + ["8443", "8787"][len(sys.argv) - 3 :]))


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def front(reader, writer):
    behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", SIMULATOR)
    await asyncio.gather(pump(reader, behind_writer), pump(behind_reader, writer))


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERT, KEY)
    server = await asyncio.start_server(front, "127.0.0.1", PORT, ssl=context)
    await server.serve_forever()


asyncio.run(main())
