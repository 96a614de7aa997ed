/** Opens connections without TLS whose bytes are read into one buffer: otherwise Node makes one of 64 KiB for each read, and throws it away. */
import type { Socket } from 'node:net';
import { buildConnector } from 'undici';
import type { Connector } from '../node-connector.js';

/** As much as Node reads in one go. All connections share it: each read is copied out before the next one. */
const buffer = Buffer.allocUnsafeSlow(65_536);

/** Its sockets give their data only by the event, as copies; those that stream from them find nothing. @param timeoutMs to connect */
export function plainConnector(timeoutMs: number): Connector {
  return (options, callback) => {
    let opened: Socket | null = null;
    const onread = {
      buffer,
      callback: (length: number): boolean => {
        opened?.emit('data', Buffer.from(buffer.subarray(0, length)));
        return true;
      },
    };
    // One for each connection, because Node does not say to a callback whose bytes they are.
    buildConnector({ timeout: timeoutMs, onread })(options, (...result) => {
      opened = result[1];
      callback(...result);
    });
  };
}
