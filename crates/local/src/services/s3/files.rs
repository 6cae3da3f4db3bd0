//! Objects as files, by s3s-fs, with what it leaves out:
//!
//! - an upload is compared with its checksums before it takes its place, not after (`checked`);
//! - an upload to a bucket that does not exist is refused, not made a bucket of;
//! - a copy is written beside its destination and renamed, so that a crash leaves no half of it;
//! - a key that is a folder of other keys does not exist; a key that would leave its bucket's
//!   folder is refused (`keys`); deleting an object deletes the notes beside it.
//!
//! An object is written to a temporary file and renamed; its notes (attributes, checksums) follow.
//! A crash between the two leaves a whole object, with no notes or with those of the object it
//! replaced; keys that stand for one content for ever, as the relay's do, are safe from the latter.

use std::path::{Path, PathBuf};

use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, CreateBucketInput,
    CreateBucketOutput, DeleteBucketInput, DeleteBucketOutput, DeleteObjectInput,
    DeleteObjectOutput, GetBucketLocationInput, GetBucketLocationOutput, GetObjectInput,
    GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput,
    ListBucketsInput, ListBucketsOutput, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input,
    ListObjectsV2Output, MetadataDirective, PutObjectInput, PutObjectOutput, Timestamp,
};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;

use super::checked::CheckedUpload;
use super::keys;
use crate::services::record::Recorder;

pub(super) struct Files {
    inner: FileSystem,
    root: PathBuf,
    recorder: Recorder,
}

type Answer<T> = S3Result<S3Response<T>>;

impl Files {
    /// Opens `root` and deletes what interrupted uploads left there.
    pub(super) fn open(root: &Path, recorder: Recorder) -> Result<Self, String> {
        let inner = FileSystem::new(root).map_err(|error| format!("{error:?}"))?;
        Ok(Self { inner, root: root.to_owned(), recorder })
    }

    fn check_bucket(&self, bucket: &str) -> S3Result<()> {
        if self.root.join(bucket).is_dir() {
            return Ok(());
        }
        Err(s3_error!(NoSuchBucket, "the specified bucket does not exist"))
    }

    /// Refuses a key that is not there. To be told that much, and not 403, a caller needs
    /// permission to list the bucket, which is noted.
    fn check_object<T>(&self, request: &S3Request<T>, bucket: &str, key: &str) -> S3Result<()> {
        self.check_bucket(bucket)?;
        keys::check(bucket, key)?;
        if self.root.join(bucket).join(key).is_file() {
            return Ok(());
        }
        if let Some(caller) = &request.credentials {
            self.recorder.record(&caller.access_key, "s3:ListBucket", bucket);
        }
        Err(s3_error!(NoSuchKey, "the specified key does not exist"))
    }
}

#[async_trait::async_trait]
impl S3 for Files {
    async fn put_object(&self, request: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
        let mut request = request;
        self.check_bucket(&request.input.bucket)?;
        keys::check(&request.input.bucket, &request.input.key)?;
        let trailers = request.trailing_headers.clone();
        let verdict = CheckedUpload::install(&mut request.input, &request.headers, trailers);
        let result = self.inner.put_object(request).await;
        result.map_err(|error| verdict.take().unwrap_or(error))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> Answer<GetObjectOutput> {
        self.check_object(&request, &request.input.bucket, &request.input.key)?;
        self.inner.get_object(request).await
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> Answer<HeadObjectOutput> {
        self.check_object(&request, &request.input.bucket, &request.input.key)?;
        self.inner.head_object(request).await
    }

    async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> Answer<CopyObjectOutput> {
        let (bucket, key) = copy_source(&request.input)?;
        self.check_object(&request, &bucket, &key)?;
        let get = GetObjectInput { bucket, key, ..GetObjectInput::default() };
        let get = request.clone().map_input(|_| get);
        let source = self.inner.get_object(get).await?.output;
        let put = request.map_input(|copy| put_of_copy(copy, source));
        let (bucket, key) = (put.input.bucket.clone(), put.input.key.clone());
        let output = self.put_object(put).await?.output;
        let metadata = std::fs::metadata(self.root.join(bucket).join(key));
        let modified = metadata.and_then(|metadata| metadata.modified()).ok();
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(CopyObjectResult {
                checksum_crc32: output.checksum_crc32,
                checksum_crc32c: output.checksum_crc32c,
                checksum_crc64nvme: output.checksum_crc64nvme,
                checksum_sha1: output.checksum_sha1,
                checksum_sha256: output.checksum_sha256,
                e_tag: output.e_tag,
                last_modified: modified.map(Timestamp::from),
                ..CopyObjectResult::default()
            }),
            ..CopyObjectOutput::default()
        }))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> Answer<DeleteObjectOutput> {
        let (bucket, key) = (request.input.bucket.clone(), request.input.key.clone());
        self.check_bucket(&bucket)?;
        keys::check(&bucket, &key)?;
        if !self.root.join(&bucket).join(&key).is_file() {
            // Deleting what is not there succeeds.
            return Ok(S3Response::new(DeleteObjectOutput::default()));
        }
        let answer = self.inner.delete_object(request).await?;
        for note in keys::note_files(&bucket, &key) {
            if let Err(error) = tokio::fs::remove_file(self.root.join(note)).await
                && error.kind() != std::io::ErrorKind::NotFound
            {
                tracing::warn!(%error, bucket, key, "the notes of a deleted object stay behind");
            }
        }
        Ok(answer)
    }

    async fn list_objects(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> Answer<ListObjectsOutput> {
        self.inner.list_objects(request).await
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> Answer<ListObjectsV2Output> {
        self.inner.list_objects_v2(request).await
    }

    async fn list_buckets(
        &self,
        request: S3Request<ListBucketsInput>,
    ) -> Answer<ListBucketsOutput> {
        self.inner.list_buckets(request).await
    }

    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> Answer<HeadBucketOutput> {
        self.inner.head_bucket(request).await
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> Answer<GetBucketLocationOutput> {
        self.inner.get_bucket_location(request).await
    }

    async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> Answer<CreateBucketOutput> {
        self.inner.create_bucket(request).await
    }

    async fn delete_bucket(
        &self,
        request: S3Request<DeleteBucketInput>,
    ) -> Answer<DeleteBucketOutput> {
        self.inner.delete_bucket(request).await
    }
}

/// Bucket and key to copy from, after refusing what is not done here.
fn copy_source(copy: &CopyObjectInput) -> S3Result<(String, String)> {
    let CopySource::Bucket { bucket, key, version_id: None } = &copy.copy_source else {
        return Err(s3_error!(NotImplemented, "copies are made from a bucket and key alone"));
    };
    let has_condition = copy.copy_source_if_match.is_some()
        || copy.copy_source_if_none_match.is_some()
        || copy.copy_source_if_modified_since.is_some()
        || copy.copy_source_if_unmodified_since.is_some();
    if has_condition {
        return Err(s3_error!(NotImplemented, "copies with a condition are not done here"));
    }
    let is_same = **bucket == *copy.bucket && **key == *copy.key;
    if is_same && !replaces_metadata(copy) {
        return Err(s3_error!(
            InvalidRequest,
            "this copy request is illegal because it is trying to copy an object to itself \
             without changing the object's metadata"
        ));
    }
    Ok((bucket.to_string(), key.to_string()))
}

fn replaces_metadata(copy: &CopyObjectInput) -> bool {
    let directive = copy.metadata_directive.as_ref();
    directive.is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE)
}

/// The upload that makes the copy. The source's checksums go along and so are checked once more.
fn put_of_copy(copy: CopyObjectInput, source: GetObjectOutput) -> PutObjectInput {
    let put = PutObjectInput {
        body: source.body,
        content_length: source.content_length,
        checksum_algorithm: copy.checksum_algorithm.clone(),
        checksum_crc32: source.checksum_crc32,
        checksum_crc32c: source.checksum_crc32c,
        checksum_crc64nvme: source.checksum_crc64nvme,
        checksum_sha1: source.checksum_sha1,
        checksum_sha256: source.checksum_sha256,
        ..PutObjectInput::default()
    };
    if replaces_metadata(&copy) {
        return PutObjectInput {
            bucket: copy.bucket,
            key: copy.key,
            metadata: copy.metadata,
            cache_control: copy.cache_control,
            content_disposition: copy.content_disposition,
            content_encoding: copy.content_encoding,
            content_language: copy.content_language,
            content_type: copy.content_type,
            ..put
        };
    }
    PutObjectInput {
        bucket: copy.bucket,
        key: copy.key,
        metadata: source.metadata,
        cache_control: source.cache_control,
        content_disposition: source.content_disposition,
        content_encoding: source.content_encoding,
        content_language: source.content_language,
        content_type: source.content_type,
        ..put
    }
}
