/** A program that listens on 127.0.0.1 and is measured. */
export interface Contender {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  stop(): Promise<void>;
}
