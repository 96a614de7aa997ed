/** Deletes an archived model with all that belongs to it alone. */
import { EndpointEntity } from '#database/entities/endpoint.entity';
import { ModelEntity } from '#database/entities/model.entity';
import { AliasEntity, VersionEntity } from '#database/entities/version.entity';
import type { WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { toEndpoint } from '../endpoints/endpoints.mapper.js';
import { violatedConstraint } from '../http/violations.js';
import { deleteVersion } from '../versions/version-removal.js';
import { viewModel } from './view-model.js';

/** The model must be locked and archived. @throws SluiceError VERSION_IN_USE */
export async function deleteModel(tx: WriteContext, model: ModelEntity): Promise<void> {
  const before = await viewModel(tx.manager, model);
  await deleteEndpoints(tx, model);
  await tx.manager.delete(AliasEntity, { model_id: model.id });
  for (const row of await tx.manager.findBy(VersionEntity, { model_id: model.id }))
    await deleteVersion(tx, model, row);
  await tx.manager.delete(ModelEntity, { id: model.id });
  await tx.audit({ action: 'model.delete', subject: `models/${model.name}`, before });
  tx.routingChanged();
}

async function deleteEndpoints(tx: WriteContext, model: ModelEntity): Promise<void> {
  for (const row of await tx.manager.findBy(EndpointEntity, { model_id: model.id })) {
    const { id, name } = row;
    const targets = await tx.manager.query<unknown[]>(
      'SELECT 1 FROM traffic_targets WHERE endpoint_id = $1',
      [id],
    );
    if (targets.length > 0)
      throw new SluiceError('VERSION_IN_USE', `The endpoint "${name}" still has traffic.`);
    await tx.manager.query('DELETE FROM traffic_revisions WHERE endpoint_id = $1', [id]);
    await tx.manager.delete(EndpointEntity, { id }).catch((error: unknown) => {
      if (!/^(quotas|prices)_endpoint_fkey$/.test(violatedConstraint(error) ?? '')) throw error;
      const detail = `Quotas or prices are set for the endpoint "${name}". Delete them first.`;
      throw new SluiceError('VERSION_IN_USE', detail, { cause: error });
    });
    const before = toEndpoint(row, model.name);
    await tx.audit({ action: 'endpoint.delete', subject: `endpoints/${name}`, before });
  }
}
