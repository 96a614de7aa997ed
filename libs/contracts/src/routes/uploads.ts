/** Routes of resumable uploads, beside the tus protocol itself (POST, HEAD, PATCH, DELETE and OPTIONS at the same addresses). */
import { ModelParams, Version } from '../models.js';
import { route } from '../route.js';
import { CreateVersionFromUploads, ListUploads, Upload, UploadPage, UploadParams } from '../uploads.js';

export const uploadRoutes = {
  list: route({
    method: 'GET',
    path: '/api/v1/uploads',
    summary: 'List your resumable uploads, newest first; with the scope admin, all of them',
    access: 'models:write',
    status: 200,
    query: ListUploads,
    response: UploadPage,
  }),
  read: route({
    method: 'GET',
    path: '/api/v1/uploads/{upload_id}',
    summary: 'Read how far a resumable upload has come',
    access: 'models:write',
    status: 200,
    params: UploadParams,
    response: Upload,
    errors: ['UPLOAD_NOT_FOUND'],
  }),
  commit: route({
    method: 'POST',
    path: '/api/v1/models/{model}/versions/from-uploads',
    summary: 'Make a version of finished uploads; safe to repeat with the same uploads',
    access: 'models:write',
    status: 201,
    params: ModelParams,
    body: CreateVersionFromUploads,
    response: Version,
    errors: [
      'MODEL_NOT_FOUND',
      'MODEL_ARCHIVED',
      'UPLOAD_NOT_FOUND',
      'UPLOAD_NOT_FINISHED',
      'UPLOAD_CONFLICT',
      'DIGEST_MISMATCH',
      'RUN_NOT_FOUND',
    ],
  }),
};
