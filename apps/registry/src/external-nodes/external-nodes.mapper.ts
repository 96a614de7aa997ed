import type { ExternalNode, ExternalReplica } from '#contracts/external-nodes';
import type { ExternalNodeEntity } from '#database/entities/external-node.entity';

export const toExternalReplica = ({
  model,
  version,
  served_model,
  served_version,
}: ExternalReplica): ExternalReplica => ({ model, version, served_model, served_version });

/** The value of `authorization` never leaves the registry but to gateways. */
export const toExternalNode = (
  row: ExternalNodeEntity,
  serves: readonly ExternalReplica[],
): ExternalNode => ({
  id: row.id,
  name: row.name,
  address: row.address,
  ca_pem: row.ca_pem,
  server_name: row.server_name,
  protocols: row.protocols,
  serves: [...serves],
  has_authorization: row.authorization !== null,
  created_at: row.created_at.toISOString(),
  updated_at: row.updated_at.toISOString(),
});
