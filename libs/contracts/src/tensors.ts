/** Datatypes and signatures in the Open Inference Protocol's words. */
import { z } from 'zod';

export const datatypes = [
  'BOOL',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'FP16',
  'FP32',
  'FP64',
  'BYTES',
] as const;
export const Datatype = z.enum(datatypes);
export type Datatype = z.infer<typeof Datatype>;

export const TensorSpec = z
  .object({
    name: z.string(),
    datatype: Datatype,
    shape: z.array(z.int().min(-1)).describe('-1 is a dynamic dimension'),
  })
  .meta({ id: 'TensorSpec' });
export type TensorSpec = z.infer<typeof TensorSpec>;

export const Signature = z
  .object({ inputs: z.array(TensorSpec), outputs: z.array(TensorSpec) })
  .meta({ id: 'Signature' });
export type Signature = z.infer<typeof Signature>;

export const Batching = z
  .object({
    enabled: z.boolean(),
    reason: z.string().nullable().describe('Why requests are not batched; null when they are'),
    tolerance: z
      .number()
      .min(0)
      .nullable()
      .describe('Largest relative difference between a batch of 2 and two singles; 0: equal to the bit'),
    costs: z
      .array(z.object({ rows: z.int().min(1), ms: z.number().min(0) }))
      .describe('One execution of so many rows'),
  })
  .meta({ id: 'Batching' });
export type Batching = z.infer<typeof Batching>;

/** What a node measured when it loaded the version. */
export const Profile = z
  .object({
    load_ms: z.number().min(0),
    warmup_ms: z.number().min(0).describe('The first run, on zeros'),
    latency_ms: z.number().min(0).describe('Median of the runs after the first'),
    memory_bytes: z.int().min(0).describe('Growth of the runner by loading and running the model'),
    onnxruntime_version: z.string(),
    batching: Batching.optional().describe('Absent: measured by an older node'),
  })
  .meta({ id: 'Profile' });
export type Profile = z.infer<typeof Profile>;
